/* attack: raises its own limits, priority, scheduling class and processors
 * verdict: OK
 * outside: nothing of it has an effect */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int through;

static void refused(const char *what, long result)
{
    if (result >= 0) {
        printf("through: %s\n", what);
        through = 1;
    }
}

int main(void)
{
    static const int kinds[] = {RLIMIT_NPROC,  RLIMIT_NOFILE, RLIMIT_FSIZE,  RLIMIT_STACK,
                                RLIMIT_RTPRIO, RLIMIT_NICE,   RLIMIT_MEMLOCK};
    struct sched_param first = {.sched_priority = 1};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rlimit limit;
        getrlimit(kinds[i], &limit);
        limit.rlim_cur = limit.rlim_max = limit.rlim_max + 1;
        if (limit.rlim_max != 0) /* was without end */
            refused("setrlimit", setrlimit(kinds[i], &limit));
    }
    refused("nice", setpriority(PRIO_PROCESS, 0, -1));
    refused("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &first));
    refused("SCHED_RR", sched_setscheduler(0, SCHED_RR, &first));
    refused("real-time reads", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    FILE *score = fopen("/proc/self/oom_score_adj", "w");
    if (score) {
        fprintf(score, "-1000");
        refused("oom_score_adj", fclose(score));
    }
    return through;
}
