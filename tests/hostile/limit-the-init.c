/* attack: sets limits of the box's first process, which reports how the program ended
 * verdict: RE
 * outside: the verdict is the program's own
 * limits: cpu=5s wall=20s
 * holds: exit-code 7..7 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void)
{
    static const int kinds[] = {RLIMIT_CPU,  RLIMIT_NOFILE, RLIMIT_FSIZE,     RLIMIT_AS,
                                RLIMIT_DATA, RLIMIT_STACK,  RLIMIT_SIGPENDING};
    struct rlimit none = {0, 0};
    struct sched_param any = {0};
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        prlimit(1, kinds[i], &none, NULL);
    sched_setscheduler(1, SCHED_IDLE, &any);
    sched_setaffinity(1, sizeof first, &first);
    setpriority(PRIO_PROCESS, 1, 19);
    for (int number = 1; number < 65; number++) {
        if (signal(number, SIG_IGN) == SIG_ERR && number > 31) /* passed on by the init */
            continue; /* the C library's own: it could not be ignored, and would end this */
        kill(1, number);
    }
    if (fork() == 0)
        _exit(0); /* the init has a child to wait for */
    return 7;
}
