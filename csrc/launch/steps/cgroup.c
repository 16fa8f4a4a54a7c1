/* cgroup.c: the container enters what holds its limits.
 * In: files of control groups, opened by the parent; a mask of processors.  Out: this process
 * in them, and at the root of its own cgroup namespace. Never: a group by name; a namespace
 * made before the groups are entered, or its root would lie outside them; a second thread
 * before them, which would stay outside. */
#include "launch/steps/setup.h"

#include <linux/sched.h>
#include <sched.h>
#include <unistd.h>

int PRL_CHILD_SAFE prl_cgroup_enter(struct prl_setup *s, struct prl_error *reterr)
{
    for (size_t i = 0; i < s->cgroup_fds_len; i++)
        if (write(s->cgroup_fds[i], "0", 1) != 1)
            return prl_fail(reterr, PRL_STAGE_LIMITS, "write", "tasks");
    if (s->late_cgroup && unshare(CLONE_NEWCGROUP) < 0)
        return prl_fail(reterr, PRL_STAGE_LIMITS, "unshare", "cgroup namespace");
    if (s->affinity_size && prl_sys_set_affinity(s->affinity, s->affinity_size) < 0)
        return prl_fail(reterr, PRL_STAGE_LIMITS, "sched_setaffinity", "processors");
    return 0;
}
