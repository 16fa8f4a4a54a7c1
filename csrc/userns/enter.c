/* enter.c: into a new user namespace, with a map that only the outside may write.
 * In: namespaces to make, rows.  Out: the calling process is in them.  Never: a process that
 * stays: the one that writes the maps is gone when this returns.  Source: unshare(2). */
#include "userns/mapping.h"

#include "base/own.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

/* The helper: waits for the namespace, writes its maps from outside, reports. */
static void serve(pid_t pid, const struct prl_mapping *maps, int start_fd, int report_fd)
{
    struct prl_error error;
    char byte;
    memset(&error, 0, sizeof error);
    if (read(start_fd, &byte, 1) == 1) {
        prl_mapping_write(pid, maps, &error);
        _exit(write(report_fd, &error, sizeof error) == sizeof error ? 0 : 1);
    }
    _exit(1);
}

static int read_report(int report_fd, struct prl_error *reterr)
{
    struct prl_error error;
    ssize_t n;
    do
        n = read(report_fd, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof error)
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, EIO, "read",
                             "the helper died before it could say why");
    if (error.errnum)
        *reterr = error;
    return -error.errnum;
}

int prl_mapping_enter(int namespaces, const struct prl_mapping *maps, struct prl_error *reterr)
{
    int start[2], report[2];
    if (pipe2(start, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "pipe2", "unshare");
    _cleanup_close_ int start_reader = start[0], start_writer = start[1];
    if (pipe2(report, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "pipe2", "unshare");
    _cleanup_close_ int report_reader = report[0], report_writer = report[1];
    pid_t self = getpid(), pid = fork();
    if (pid < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "fork", "unshare");
    if (pid == 0) {
        prl_close_p(&start_writer);
        serve(self, maps, start_reader, report_writer);
    }
    prl_close_p(&report_writer);
    int r = unshare(namespaces) < 0
                ? prl_fail(reterr, PRL_STAGE_CLONE, "unshare", "new namespaces")
                : 0;
    if (r == 0 && write(start_writer, "", 1) != 1)
        r = prl_fail(reterr, PRL_STAGE_IDMAP, "write", "start of the helper");
    prl_close_p(&start_writer);
    if (r == 0)
        r = read_report(report_reader, reterr);
    prl_sys_reap(pid, NULL);
    return r;
}
