// sources: csrc/base/**/*.c
/* test_sys.c: which processors a task may have.
 * In: a child that waits.  Out: its mask.  Never: a moment at which a certain processor is
 * this task's: the kernel may move it. */
#include "base/sys.h"

#include "check.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t waiting_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int allowed(pid_t pid)
{
    cpu_set_t mask;
    return sched_getaffinity(pid, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : -1;
}

TEST(another_processor_and_back)
{
    int all = allowed(0);
    pid_t pid = waiting_child();
    int placed = all > 1 ? prl_sys_place(pid, PRL_ON_OTHERS) : 0, there = allowed(pid);
    int again = prl_sys_place(pid, PRL_ON_ANY), back = allowed(pid);
    int last = prl_sys_place(pid, PRL_ON_THIS), here = allowed(pid);
    end(pid);
    CHECK_INT(placed, 0);
    CHECK_INT(there, all > 1 ? all - 1 : all);
    CHECK_INT(again, 0);
    CHECK_INT(back, all);
    CHECK_INT(last, 0);
    CHECK_INT(here, 1);
}

TEST(no_other_processor)
{
    cpu_set_t before, one;
    CHECK_INT(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    pid_t pid = waiting_child();
    int placed = prl_sys_place(pid, PRL_ON_OTHERS), there = allowed(pid);
    end(pid);
    CHECK_INT(sched_setaffinity(0, sizeof before, &before), 0);
    CHECK_INT(placed, -1);
    CHECK_INT(there, 1);
}
