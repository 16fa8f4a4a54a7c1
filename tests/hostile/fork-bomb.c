/* attack: forks for ever, and so does every child
 * verdict: TLE
 * outside: no process of it is left and the next run is as fast as before
 * limits: cpu=300ms wall=60s procs=16
 * holds: cpu-ms ..600 */
#include <unistd.h>

int main(void)
{
    for (;;)
        fork();
}
