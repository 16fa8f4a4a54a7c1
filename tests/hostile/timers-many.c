/* attack: takes all timers and queued signals of the user, in many processes
 * verdict: OK
 * outside: a box has some hundreds and no more
 * limits: cpu=5s wall=60s */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 400, PROCESSES = 8 };

static long take(void)
{
    struct sigevent quiet = {.sigev_notify = SIGEV_NONE};
    timer_t timer;
    sigset_t set;
    union sigval value = {0};
    long taken = 0;
    while (taken < 10 * MOST && timer_create(CLOCK_MONOTONIC, &quiet, &timer) == 0)
        taken++;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (taken < 10 * MOST && sigqueue(getpid(), SIGRTMIN, value) == 0)
        taken++;
    return taken;
}

int main(void)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    int ends[2];
    long taken, sum = 0;
    setrlimit(RLIMIT_SIGPENDING, &all);
    if (pipe(ends) < 0)
        return 2;
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            taken = take();
            if (write(ends[1], &taken, sizeof taken) < 0)
                return 2;
            pause(); /* holds them */
        }
    for (int i = 0; i < PROCESSES && read(ends[0], &taken, sizeof taken) > 0; i++)
        sum += taken;
    signal(SIGTERM, SIG_IGN);
    if (sum > MOST)
        printf("through: %ld signals and timers\n", sum);
    return sum > MOST;
}
