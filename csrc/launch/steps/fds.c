/* fds.c: descriptors shed.
 * In: the descriptors that set-up still needs.  Out: every other above 2 closed, not merely
 * marked: a working directory taken from /proc/self/fd/N must find nothing (CVE-2024-21626).
 * Never: leaving it to exec.  Source: close_range(2). */
#include "launch/steps/setup.h"

#include <limits.h>
#include <sched.h>

int PRL_CHILD_SAFE prl_fds_shed(struct prl_setup *s, struct prl_error *reterr)
{
    int keep[] = {s->report_fd, s->init_fd,    s->barrier_fd,
                  s->wish_fd,   s->outcome_fd, s->served ? s->service_fd : -1};
    unsigned from = 3;
    /* The second task still works with the table that both share. */
    if (s->beside.pid > 0 && unshare(CLONE_FILES) < 0)
        return prl_fail(reterr, PRL_STAGE_FDS, "unshare", "descriptors");
    for (;;) {
        int next = INT_MAX;
        for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
            if (keep[i] >= (int)from && keep[i] < next)
                next = keep[i];
        unsigned last = next == INT_MAX ? UINT_MAX : (unsigned)next - 1;
        if (from <= last && prl_sys_close_range(from, last) < 0)
            return prl_fail(reterr, PRL_STAGE_FDS, "close_range", "inherited descriptors");
        if (next == INT_MAX)
            return 0;
        from = (unsigned)next + 1;
    }
}
