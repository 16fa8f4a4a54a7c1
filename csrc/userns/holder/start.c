/* start.c: start a holder beside a container that already runs.
 * In: the specification of that container.  Out: a process of a session of its own, which is
 * nobody's child.  Never: a copy of the caller's memory (it is shared until the exec), a
 * descriptor or variable of the caller's handed on, a wait for the holder. */
#include "userns/holder/keeper.h"

#include "base/own.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { STACK_BYTES = 64 * 1024, IDS_BYTES = 8192, NUMBER_BYTES = 24 };

struct start {
    const char *program;
    char *argv[7];
    void *stack; /* of the second process */
    int null_fd;
};

/* Raw calls: this process shares the memory of a program that may have threads. */
static int PRL_CHILD_SAFE execute(void *data)
{
    static char *const environment[] = {NULL};
    struct start *start = data;
    sigset_t none;
    sigemptyset(&none);
    for (int fd = 0; fd < 3; fd++)
        if (dup2(start->null_fd, fd) < 0)
            return 127;
    if (prl_sys_close_range(3, UINT_MAX) < 0 || chdir("/") < 0)
        return 127;
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(start->program, start->argv, environment);
    return 127;
}

static int PRL_CHILD_SAFE detach(void *data)
{
    struct start *start = data;
    const struct prl_sys_clone how = {.flags = CLONE_VM | CLONE_VFORK,
                                      .stack = start->stack,
                                      .stack_size = STACK_BYTES,
                                      .cgroup_fd = -1};
    syscall(SYS_setsid);
    return prl_sys_clone_run(&how, execute, start) < 0 ? 1 : 0;
}

/* Seconds without a start after which a holder leaves; 0: none is to be started. */
static unsigned long idle_seconds(void)
{
    const char *text = getenv("PYROOTLESS_HOLDER_IDLE");
    char *end;
    if (!text || *text < '0' || *text > '9')
        return PRL_HOLDER_IDLE_SECONDS;
    unsigned long seconds = strtoul(text, &end, 10);
    return *end || seconds > 86400 ? PRL_HOLDER_IDLE_SECONDS : seconds;
}

int prl_holder_start(const struct prl_spec *spec)
{
    struct prl_holder_key key;
    unsigned long seconds = idle_seconds();
    if (!spec->holder || seconds == 0)
        return 0;
    int r = prl_holder_key_of(spec, &key);
    if (r < 0)
        return r;
    char uids[IDS_BYTES], gids[IDS_BYTES], idle[NUMBER_BYTES];
    r = prl_holder_ids_text(&key.uids, uids, sizeof uids);
    if (r == 0)
        r = prl_holder_ids_text(&key.gids, gids, sizeof gids);
    if (r < 0)
        return r;
    _cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return -errno;
    void *stack = prl_sys_stack_map(STACK_BYTES);
    if (!stack)
        return -errno;
    struct start start = {.program = spec->launcher ? spec->launcher : "/proc/self/exe",
                          .argv = {"pyrootless", "_holder", (char *)spec->holder, uids, gids,
                                   prl_sys_decimal(seconds, idle), NULL},
                          .stack = stack,
                          .null_fd = null_fd};
    int status = 0;
    pid_t pid = prl_sys_clone_shared(STACK_BYTES, detach, &start);
    r = pid < 0 ? -errno : prl_sys_reap(pid, &status);
    munmap(stack, STACK_BYTES);
    return r == 0 && status ? -ECHILD : r;
}
