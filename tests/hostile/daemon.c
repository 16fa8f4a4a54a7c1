/* attack: forks twice, leaves its session, closes its streams and sleeps
 * verdict: OK
 * outside: the verdict comes at the program's end and not at the daemon's
 * limits: wall=120s
 * holds: wall-ms ..30000 */
#include <unistd.h>

int main(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (int fd = 0; fd < 3; fd++)
                close(fd);
            sleep(600);
        }
        _exit(0);
    }
    return 0;
}
