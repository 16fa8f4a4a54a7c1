/* attack: writes one byte a millisecond for ever
 * verdict: ILE TLE
 * outside: it ends at the wall limit
 * limits: cpu=10s wall=1s */
#include <unistd.h>

int main(void)
{
    for (;;) {
        write(1, "x", 1);
        usleep(1000);
    }
}
