/* attack: computes in children that nobody waits for (SIGCHLD is ignored)
 * verdict: OK
 * outside: their time is billed all the same
 * limits: cpu=10s wall=60s
 * burns: 500ms */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void burn(long ms)
{
    struct timespec now;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < ms);
}

int main(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 5; i++)
        if (fork() == 0) {
            burn(100);
            _exit(0);
        }
    while (wait(0) > 0)
        ;
    return 0;
}
