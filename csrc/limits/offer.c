/* offer.c: what would hold each limit, if a container with the defaults were started now.
 * In: the host.  Out: what enforces each limit, with weaker means where nothing better is
 * offered. Never: a container; an answer that a launch would not give: it is asked of the same
 * plan. */
#include "limits/groups.h"

#include <linux/sched.h>

int prl_offer_enforcement(struct prl_limits_plan *ret, struct prl_error *reterr)
{
    static const struct prl_idmap one = {.size = 1};
    const struct prl_spec spec = {
        .namespaces = CLONE_NEWUSER,
        .uid_maps = &one,
        .uid_maps_len = 1,
        .seccomp_program = "default",
        .resources = {.asked = (1u << PRL_LIMITS) - 1 - (1u << PRL_LIMIT_STORAGE),
                      .best_effort = true},
    };
    struct prl_cgroup_host host = {.len = 0};
    int r = prl_cgroup_look_or_ask(&spec, &host, reterr);
    if (r == 0)
        r = prl_limits_choose(&spec, &host, "", ret, reterr);
    prl_cgroup_host_free(&host);
    return r;
}
