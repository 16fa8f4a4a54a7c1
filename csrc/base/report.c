/* report.c: what a set-up process said before its exec.
 * In: a pipe or socket that the exec closes.  Out: 0, or its record.  Never: a half record:
 * they are written in one piece. */
#include "base/report.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

int prl_report_read(int fd, struct prl_error *reterr)
{
    struct prl_error record;
    struct pollfd end = {.fd = fd};
    bool marked = false;
    /* Wait for the end of file only: waking up for the marker too would cost the child, which
     * executes next, an interrupt to another processor. */
    (void)poll(&end, 1, -1);
    for (;;) {
        ssize_t n = read(fd, &record, sizeof record);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof record)
            break;
        if (record.errnum) {
            *reterr = record;
            return -record.errnum;
        }
        marked = true;
    }
    if (marked)
        return 0;
    return prl_fail_with(reterr, PRL_STAGE_CLONE, EIO, "clone3",
                         "the set-up process died before it could say why");
}

int prl_report_said(int fd, struct prl_error *reterr)
{
    struct prl_error record;
    struct pollfd there = {.fd = fd, .events = POLLIN};
    if (poll(&there, 1, 0) != 1 || !(there.revents & POLLIN) ||
        read(fd, &record, sizeof record) != (ssize_t)sizeof record || record.errnum == 0)
        return 0;
    *reterr = record;
    return -record.errnum;
}
