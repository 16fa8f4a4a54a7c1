/* zygote.c: a box whose program is a copy of an interpreter that waits elsewhere.
 * In: a spec for the zygote; then specs of boxes.  Out: boxes that wait, as held.c
 * makes them; in them the copy is released, by the same message as a start barrier. Never: a
 * copy told what to run before it is in all groups of its box, under all limits, on the clock,
 * and checked: no capability, no_new_privs, both filters (the zygote's, the box's).
 *
 * The zygote is sealed like a box, except that its filter allows setns(2), its root is
 * read-only, and the boxes are below it: their user namespaces and their process ids.  So it
 * has power over them, and they end with it.  Source: setns(2), user_namespaces(7). */
#include "sandbox/zygote.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "base/process/pass.h"
#include "base/sys.h"
#include "container/monitor/exports.h"
#include "launch/exports.h"
#include "limits/exports.h"
#include "sandbox/parts.h"
#include "sandbox/zygote/orders.h"
#include "verify/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { ANSWER_MS = 10000, FILTERS = 2 };

struct prl_zygote {
    struct prl_child child;
    struct prl_box box;
    int control_fd;
    pthread_mutex_t turn; /* one order at a time */
};

/* --- the zygote itself --- */

/* What it says, in time: 0, or why not. */
static int hear(struct prl_zygote *z, int wait_ms, struct prl_error *reterr)
{
    struct pollfd fd = {z->control_fd, POLLIN, 0};
    struct prl_error record;
    int n;
    do
        n = poll(&fd, 1, wait_ms);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return prl_fail_with(reterr, PRL_STAGE_BOX, n < 0 ? errno : ETIMEDOUT, "poll",
                             "zygote");
    if (read(z->control_fd, &record, sizeof record) != (ssize_t)sizeof record)
        return prl_fail_with(reterr, PRL_STAGE_BOX, ECHILD, "read", "zygote");
    if (record.errnum == 0)
        return 0;
    *reterr = record;
    return -record.errnum;
}

static int start(struct prl_zygote *z, const struct prl_sandbox *want, int wait_ms,
                 struct prl_error *reterr)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "socketpair", "zygote");
    z->control_fd = pair[0];
    const struct prl_stdio stdio = {.fds = {pair[1], want->stdio[1], want->stdio[2]}};
    int r = prl_launch_box(want->spec, &stdio, &z->box, &z->child, reterr);
    prl_close_p(&pair[1]);
    return r < 0 ? r : hear(z, wait_ms, reterr);
}

int prl_zygote_start(const struct prl_sandbox *want, int wait_ms, struct prl_zygote **ret,
                     struct prl_error *reterr)
{
    struct prl_zygote *z = malloc(sizeof *z);
    if (!z)
        return prl_fail_with(reterr, PRL_STAGE_BOX, ENOMEM, "malloc", "zygote");
    *z = (struct prl_zygote){.child = {.pid = -1, .pidfd = -1, .terminal_fd = -1},
                             .box = PRL_BOX_NONE,
                             .control_fd = -1,
                             .turn = PTHREAD_MUTEX_INITIALIZER};
    z->box.files = want->files;
    z->box.files_len = want->files_len;
    int r = start(z, want, wait_ms, reterr);
    z->box.files = NULL; /* the caller's, and put in */
    if (r == 0)
        *ret = z;
    else
        prl_zygote_free(z);
    return r;
}

int prl_zygote_pidfd(const struct prl_zygote *z)
{
    return z->child.pidfd;
}

void prl_zygote_free(struct prl_zygote *z)
{
    if (!z)
        return;
    prl_child_close(&z->child);
    prl_close_p(&z->control_fd);
    prl_close_p(&z->box.outcome_fd);
    prl_close_p(&z->box.scratch_fd);
    free(z);
}

/* --- one copy --- */

static int read_filter(const struct prl_spec *spec, char **ret, size_t *ret_len,
                       struct prl_error *reterr)
{
    const char *path = spec->seccomp_program;
    int r = path ? prl_io_read_file(AT_FDCWD, path, PRL_ZYGOTE_FILTER_BYTES, ret, ret_len)
                 : -EINVAL;
    if (r == 0 && *ret_len % 8 == 0 && *ret_len > 0)
        return 0;
    return prl_fail_with(reterr, PRL_STAGE_SECCOMP, r < 0 ? -r : EINVAL, "read",
                         path ? path : "a box below a zygote has a filter");
}

static int order_copy(struct prl_zygote *z, const struct prl_spec *spec,
                      const int fds[PRL_ZYGOTE_FDS], struct prl_error *reterr)
{
    _cleanup_free_ char *filter = NULL;
    size_t len = 0;
    const struct prl_process *p = &spec->process;
    int r = read_filter(spec, &filter, &len, reterr);
    if (r < 0)
        return r;
    struct prl_zygote_order order = {.filter_bytes = (uint32_t)len,
                                     .umask = p->umask < 0 ? 0022 : (uint32_t)p->umask};
    if (strlen(p->cwd) >= sizeof order.cwd)
        return prl_fail_with(reterr, PRL_STAGE_FDS, ENAMETOOLONG, "chdir", p->cwd);
    memcpy(order.cwd, p->cwd, strlen(p->cwd) + 1);
    pthread_mutex_lock(&z->turn);
    const struct iovec parts[2] = {{&order, sizeof order}, {filter, order.filter_bytes}};
    r = prl_pass_send(z->control_fd, parts, 2, fds, PRL_ZYGOTE_FDS) < 0 ? -errno : 0;
    r = r < 0 ? prl_fail_with(reterr, PRL_STAGE_BOX, -r, "sendmsg", "zygote")
              : hear(z, ANSWER_MS, reterr);
    if (r == -ETIMEDOUT)
        prl_child_kill(&z->child); /* the next order would get this one's answer */
    pthread_mutex_unlock(&z->turn);
    return r;
}

/* --- limits of a process that waits --- */

static int lower(pid_t pid, int resource, uint64_t most, struct prl_error *reterr)
{
    struct rlimit limit;
    char number[24];
    if (prlimit(pid, resource, NULL, &limit) == 0) {
        limit.rlim_cur = limit.rlim_cur < most ? limit.rlim_cur : (rlim_t)most;
        limit.rlim_max = limit.rlim_max < most ? limit.rlim_max : (rlim_t)most;
        if (prlimit(pid, resource, &limit, NULL) == 0)
            return 0;
    }
    return prl_fail(reterr, PRL_STAGE_LIMITS, "prlimit",
                    prl_sys_decimal((uint64_t)resource, number));
}

static int limit_process(pid_t pid, const struct prl_spec *spec, struct prl_error *reterr)
{
    const struct prl_resources *res = &spec->resources;
    char number[24];
    int r = 0;
    for (size_t i = 0; i < spec->process.rlimits_len; i++) {
        const struct prl_rlimit *row = &spec->process.rlimits[i];
        const struct rlimit limit = {(rlim_t)row->soft, (rlim_t)row->hard};
        if (prlimit(pid, row->resource, &limit, NULL) < 0)
            return prl_fail(reterr, PRL_STAGE_RLIMITS, "prlimit",
                            prl_sys_decimal((uint64_t)row->resource, number));
    }
    if (res->held_by[PRL_LIMIT_PIDS] == PRL_BY_NPROC)
        r = lower(pid, RLIMIT_NPROC, res->nproc, reterr);
    if (r == 0 && res->held_by[PRL_LIMIT_MEMORY] == PRL_BY_WATCHDOG)
        r = lower(pid, RLIMIT_DATA, res->data_bytes ? res->data_bytes : res->memory_bytes,
                  reterr);
    return r;
}

static int enter_groups(pid_t pid, const struct prl_cgroups *groups, struct prl_error *reterr)
{
    int fds[PRL_CGROUP_BASES + 1], born_fd = prl_cgroups_born_fd(groups);
    char number[24];
    size_t n = prl_cgroups_entries(groups, fds);
    _cleanup_close_ int procs_fd =
        born_fd < 0 ? -1 : openat(born_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (born_fd >= 0)
        fds[n++] = procs_fd;
    prl_sys_decimal((uint64_t)pid, number);
    for (size_t i = 0; i < n; i++)
        if (write(fds[i], number, strlen(number)) < 0)
            return prl_fail(reterr, PRL_STAGE_LIMITS, "write", "cgroup.procs");
    return 0;
}

/* The init has no other child. */
static pid_t find_copy(pid_t init)
{
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    if (!tree)
        return -1;
    prl_tree_read(init, tree);
    return tree->len == 2 ? tree->pids[1] : -1;
}

int prl_zygote_bring(struct prl_zygote *z, struct prl_sandbox_watch *w,
                     struct prl_error *reterr)
{
    char path[48];
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "socketpair", "the zygote's copy");
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)w->child.pid);
    w->child.held = true;
    w->child.barrier_fd = pair[0];
    w->child.mounts_fd = open(path, O_RDONLY | O_CLOEXEC);
    const int fds[PRL_ZYGOTE_FDS] = {
        [PRL_ZYGOTE_BOX] = w->child.pidfd,
        [PRL_ZYGOTE_WISH] = pair[1],
        [PRL_ZYGOTE_OUT] = w->lent[PRL_STREAM_OUT],
        [PRL_ZYGOTE_ERR] = w->lent[PRL_STREAM_ERR],
    };
    int r = order_copy(z, w->want->spec, fds, reterr);
    prl_close_p(&pair[1]);
    if (r < 0)
        return r;
    const struct prl_spec *spec = w->want->spec;
    pid_t pid = find_copy(w->child.pid);
    const struct prl_verify verify = {.spec = spec, .pid = pid, .filters = FILTERS};
    if (pid <= 0)
        return prl_fail_with(reterr, PRL_STAGE_BOX, ESRCH, "fork", "the zygote's copy");
    r = enter_groups(pid, w->child.cgroups, reterr);
    if (r == 0)
        r = limit_process(pid, spec, reterr);
    if (r == 0)
        r = prl_verify_status(&verify, reterr);
    if (r == 0 && w->want->clock && prl_sandbox_group_clock(w->want->spec) == PRL_CLOCK_NONE)
        w->box.clock_fd = prl_taskclock_open_for(pid);
    w->brought_pid = pid;
    return r;
}
