/* fds.c: descriptors shed.
 * In: the two descriptors that set-up still needs.  Out: every other above 2 closed, not merely
 * marked: a working directory taken from /proc/self/fd/N must find nothing (CVE-2024-21626).
 * Never: leaving it to exec.  Source: close_range(2). */
#include "steps/steps.h"

#include <limits.h>

int PRL_CHILD_SAFE prl_fds_shed(struct prl_setup *s, struct prl_error *reterr)
{
    int low = s->init_fd < 0 || s->report_fd < s->init_fd ? s->report_fd : s->init_fd;
    int high = s->init_fd < 0 ? s->report_fd : s->report_fd + s->init_fd - low;
    if (prl_sys_close_range(3, (unsigned)low - 1) < 0 ||
        prl_sys_close_range((unsigned)low + 1, (unsigned)high - 1) < 0 ||
        prl_sys_close_range((unsigned)high + 1, UINT_MAX) < 0)
        return prl_fail(reterr, PRL_STAGE_FDS, "close_range", "inherited descriptors");
    return 0;
}
