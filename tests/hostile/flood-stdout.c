/* attack: writes to standard output for ever
 * verdict: OLE
 * outside: the reader keeps no more than the limit
 * limits: cpu=10s wall=60s output=64K
 * holds: stdout-bytes 65536..65536 */
#include <unistd.h>

int main(void)
{
    static char block[65536];
    for (;;)
        write(1, block, sizeof block);
}
