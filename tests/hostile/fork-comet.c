/* attack: hops from process to process: each lives only until it has forked the next
 * verdict: TLE
 * outside: no process of it is left and the next run is as fast as before
 * limits: cpu=300ms wall=60s procs=16
 * holds: cpu-ms ..600 */
#include <unistd.h>

int main(void)
{
    if (fork() != 0)
        for (;;)
            pause();
    for (;;)
        if (fork() > 0)
            _exit(0);
}
