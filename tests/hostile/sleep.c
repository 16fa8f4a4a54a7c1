/* attack: sleeps for ever
 * verdict: ILE
 * outside: it is ended long before the wall limit
 * limits: wall=120s
 * holds: wall-ms ..30000 */
#include <unistd.h>

int main(void)
{
    for (;;)
        sleep(1000);
}
