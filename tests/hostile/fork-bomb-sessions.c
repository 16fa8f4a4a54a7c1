/* attack: a fork bomb whose children each begin a session of their own
 * verdict: TLE
 * outside: no process of it is left and the next run is as fast as before
 * limits: cpu=300ms wall=60s procs=16
 * holds: cpu-ms ..600 */
#include <unistd.h>

int main(void)
{
    for (;;)
        if (fork() == 0) {
            setsid();
            for (int fd = 0; fd < 3; fd++)
                close(fd);
        }
}
