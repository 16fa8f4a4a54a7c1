/* join.c: this process into the namespaces of a running container, and to its root.
 * In: the container's first process, by descriptors.  Out: all its namespaces joined; for that
 * of process ids: the next child is in it.  Never: a namespace found by number, which another
 * process may have by now; a file of the container's read on the way.
 * Source: setns(2), namespaces(7). */
#include "launch/steps/setup.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>

static const struct row {
    uint64_t flag;
    char name[12];
} rows[] = {
    /* The user namespace first: the right to join the others comes with it. */
    {CLONE_NEWUSER, "ns/user"}, {CLONE_NEWPID, "ns/pid"}, {CLONE_NEWNET, "ns/net"},
    {CLONE_NEWIPC, "ns/ipc"},   {CLONE_NEWUTS, "ns/uts"}, {CLONE_NEWCGROUP, "ns/cgroup"},
    {CLONE_NEWNS, "ns/mnt"},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* FALLBACK: one by one; remove when kernel >= 5.8 is required.  All are opened before the first
 * is joined: the others are then still in reach. */
static int PRL_CHILD_SAFE join_each(const struct prl_joinable *target, uint64_t flags)
{
    int fds[ROWS], r = 0;
    for (int i = 0; i < ROWS; i++) {
        bool wanted = flags & rows[i].flag;
        fds[i] = wanted ? openat(target->proc_fd, rows[i].name, O_RDONLY | O_CLOEXEC) : -1;
        r = wanted && fds[i] < 0 ? -1 : r;
    }
    for (int i = 0; i < ROWS; i++) {
        if (r == 0 && fds[i] >= 0)
            r = setns(fds[i], (int)rows[i].flag);
        prl_close_p(&fds[i]);
    }
    return r;
}

int PRL_CHILD_SAFE prl_join_namespaces(const struct prl_joinable *target, uint64_t flags)
{
    int r = -1;
    errno = EINVAL;
    if (target->pidfd >= 0)
        r = setns(target->pidfd, (int)flags);
    if (r < 0 && errno == EINVAL)
        r = join_each(target, flags);
    return r;
}

int PRL_CHILD_SAFE prl_join_enter(struct prl_setup *s, struct prl_error *reterr)
{
    uint64_t flags = 0;
    for (int i = 0; i < ROWS; i++)
        flags |= s->spec->namespaces & rows[i].flag;
    int r = prl_join_namespaces(s->target, flags);
    return r < 0 ? prl_fail(reterr, PRL_STAGE_CLONE, "setns", "the container's namespaces") : 0;
}

int PRL_CHILD_SAFE prl_join_root(struct prl_setup *s, struct prl_error *reterr)
{
    s->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return s->root_fd < 0 ? prl_fail(reterr, PRL_STAGE_ROOTFS, "open", "/") : 0;
}
