/* attack: writes to both streams by turns
 * verdict: OLE
 * outside: no stream waits for the other
 * limits: cpu=10s wall=60s output=64K
 * holds: stdout-bytes ..65536
 * holds: stderr-bytes ..65536 */
#include <unistd.h>

int main(void)
{
    static char block[65536];
    for (;;) {
        write(1, block, sizeof block);
        write(2, block, sizeof block);
    }
}
