/* attack: makes the box's first process, which reports how the program ended, wait for ever
 * verdict: RE
 * outside: its class, nice value and processors are as they were
 * limits: cpu=5s wall=20s
 * holds: exit-code 7..7 */
#define _GNU_SOURCE
#include <linux/sched/types.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WHO_PROCESS = 1, WHO_GROUP, WHO_USER, CLASS_IDLE = 3 << 13, IDLE = 5 };

static long io_class(int which, int who)
{
    return syscall(SYS_ioprio_get, which, who);
}

int main(void)
{
    struct sched_param any = {0};
    struct sched_attr attr = {.size = sizeof attr, .sched_policy = IDLE};
    cpu_set_t before, first, after;
    long io_before = io_class(WHO_PROCESS, 1);
    sched_getaffinity(1, sizeof before, &before);
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    sched_setscheduler(1, SCHED_IDLE, &any);
    sched_setscheduler(1, SCHED_BATCH, &any);
    syscall(SYS_sched_setscheduler, 1L | 1L << 32, SCHED_IDLE, &any);
    syscall(SYS_sched_setattr, 1, &attr, 0);
    sched_setaffinity(1, sizeof first, &first);
    setpriority(PRIO_PROCESS, 1, 19);
    syscall(SYS_ioprio_set, WHO_PROCESS, 1, CLASS_IDLE);
    setpgid(0, 1);
    setpriority(PRIO_PGRP, 1, 18);
    setpriority(PRIO_PGRP, 0, 18);
    setpriority(PRIO_USER, 0, 17);
    setpriority(PRIO_USER, (int)getuid(), 17);
    syscall(SYS_ioprio_set, WHO_GROUP, 0, CLASS_IDLE);
    syscall(SYS_ioprio_set, WHO_USER, getuid(), CLASS_IDLE);
    sched_getaffinity(1, sizeof after, &after);
    if (sched_getscheduler(1) != SCHED_OTHER)
        return printf("through: its class\n");
    if (getpriority(PRIO_PROCESS, 1) != 0)
        return printf("through: its nice value\n");
    if (!CPU_EQUAL(&before, &after))
        return printf("through: its processors\n");
    if (io_class(WHO_PROCESS, 1) != io_before)
        return printf("through: its class of reads and writes\n");
    return 7;
}
