/* taskclock.c: an inherited software clock of perf events; see taskclock.h.
 * In, out, never: as there.  Source: perf_event_open(2).  The clock of a task counts whatever
 * is excluded, so leaving the kernel out costs nothing and needs no privilege
 * (perf_event_paranoid 2). */
#include "limits/taskclock.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int PRL_CHILD_SAFE open_clock(pid_t pid, bool from_exec)
{
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type = PERF_TYPE_SOFTWARE;
    attr.size = sizeof attr;
    attr.config = PERF_COUNT_SW_TASK_CLOCK;
    attr.disabled = from_exec;
    attr.enable_on_exec = from_exec;
    attr.inherit = 1;
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int PRL_CHILD_SAFE prl_taskclock_open(void)
{
    return open_clock(0, true);
}

int prl_taskclock_open_for(pid_t pid)
{
    return open_clock(pid, false);
}

uint64_t prl_taskclock_read(int fd)
{
    uint64_t ns = 0;
    return fd >= 0 && read(fd, &ns, sizeof ns) == (ssize_t)sizeof ns ? ns : 0;
}
