/* plan.c: what enforces the limits of a box, and which clock bills it.
 * In: a spec that asks for memory and processes, what the host offers.  Out: the spec with its
 * enforcement and control groups.
 * Never: a weaker enforcement than the host has; a group more than is needed: each one of
 * version 1 has a directory of its own.
 *
 * Processes: RLIMIT_NPROC in the box's own user namespace counts this box only, exactly, and is
 * free.  Processor time: a group counts it to the last microsecond of each process; perf's
 * clock misses what follows a process's exit, and bills what a hypervisor took
 * (limits/steal.h).
 */
#include "sandbox/run.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/own.h"
#include "limits/exports.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The base with this controller, version 2 before version 1; NULL: none. */
static const struct prl_cgroup_base *find(const struct prl_cgroup_host *host,
                                          unsigned controller)
{
    const struct prl_cgroup_base *found = NULL;
    for (size_t i = 0; i < host->len; i++)
        if ((host->bases[i].controllers & controller) &&
            (!found || (host->bases[i].version2 && !found->version2)))
            found = &host->bases[i];
    return found;
}

struct plan {
    struct prl_spec *spec;
    const struct prl_cgroup_host *host;
    struct prl_cgroup *groups;
    char id[65];
};

enum {
    /* RLIMIT_DATA is only the last resort: a program may reserve more than it uses. A program
     * whose static data do not fit dies within its exec, which looks like a crash. */
    DATA_MORE_BYTES = 1 << 30,
    DATA_SHARE = 4,
};

/* One more controller, in the group of its base. */
static int use(struct plan *p, const struct prl_cgroup_base *base, unsigned controller,
               struct prl_error *reterr)
{
    struct prl_resources *res = &p->spec->resources;
    const char *path = prl_arena_printf(p->spec->arena, "%s/pyrootless-%s", base->path, p->id);
    if (!path)
        return prl_fail_with(reterr, PRL_STAGE_LIMITS, ENOMEM, "malloc", "control group");
    for (size_t i = 0; i < res->cgroups_len; i++) {
        if (strcmp(p->groups[i].path, path) != 0)
            continue;
        p->groups[i].controllers |= controller;
        return 0;
    }
    p->groups[res->cgroups_len++] = (struct prl_cgroup){
        .path = path, .controllers = controller, .version2 = base->version2};
    return 0;
}

static int plan_limit(struct plan *p, enum prl_limit limit, unsigned controller,
                      struct prl_error *reterr)
{
    struct prl_resources *res = &p->spec->resources;
    const struct prl_cgroup_base *base = find(p->host, controller);
    bool counts_itself = limit == PRL_LIMIT_PIDS && geteuid() != 0;
    if (!(res->asked & (1u << limit)))
        return 0;
    if (base && (base->version2 || !counts_itself)) {
        res->held_by[limit] = base->version2 ? PRL_BY_CGROUP2 : PRL_BY_CGROUP1;
        return use(p, base, controller, reterr);
    }
    if (limit == PRL_LIMIT_PIDS) {
        res->held_by[limit] = counts_itself ? PRL_BY_NPROC : PRL_BY_NONE;
    } else {
        res->held_by[limit] = PRL_BY_WATCHDOG;
        res->data_bytes = res->memory_bytes * DATA_SHARE + DATA_MORE_BYTES;
    }
    if (res->held_by[limit] == PRL_BY_NPROC || res->best_effort)
        return 0;
    return prl_failf(
        reterr, PRL_STAGE_LIMITS, EOPNOTSUPP, prl_limit_option(limit),
        "no control group for it is delegated to you, and nothing else enforces it "
        "exactly");
}

/* Whether the kernel lets this user have the clock; asked once. */
static bool has_taskclock(void)
{
    static int known; /* 0: not asked yet, 1: yes, -1: no */
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (answer == 0) {
        _cleanup_close_ int fd = prl_taskclock_open();
        answer = fd >= 0 ? 1 : -1;
        __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
    }
    return answer > 0;
}

static const struct prl_cgroup *meter_of(const struct prl_spec *spec)
{
    const struct prl_resources *res = &spec->resources;
    for (size_t i = 0; i < res->cgroups_len; i++)
        if (res->cgroups[i].version2 || (res->cgroups[i].controllers & PRL_CONTROL_CPUACCT))
            return &res->cgroups[i];
    return NULL;
}

enum prl_sandbox_clock prl_sandbox_group_clock(const struct prl_spec *spec)
{
    const struct prl_cgroup *meter = meter_of(spec);
    if (!meter)
        return PRL_CLOCK_NONE;
    return meter->version2 ? PRL_CLOCK_CGROUP2 : PRL_CLOCK_CGROUP1;
}

/* Every group of version 2 counts processor time, in version 1 one hierarchy does. */
static int use_meter(struct plan *p, bool *ret_used, struct prl_error *reterr)
{
    const struct prl_cgroup_base *meter = NULL;
    unsigned controller = PRL_CONTROL_CPUACCT;
    for (size_t i = 0; i < p->host->len && !meter; i++)
        if (p->host->bases[i].version2 && p->host->bases[i].controllers)
            meter = &p->host->bases[i];
    if (meter)
        controller = meter->controllers & -meter->controllers;
    else
        meter = find(p->host, controller);
    *ret_used = meter != NULL;
    return meter ? use(p, meter, controller, reterr) : 0;
}

int prl_sandbox_plan(struct prl_spec *spec, const struct prl_sandbox_host *host,
                     struct prl_error *reterr)
{
    struct plan p = {.spec = spec, .host = host->groups};
    prl_sandbox_id(p.id);
    p.groups = prl_arena_alloc(spec->arena, PRL_CGROUP_BASES * sizeof *p.groups);
    if (!p.groups)
        return prl_fail_with(reterr, PRL_STAGE_LIMITS, ENOMEM, "malloc", "control groups");
    spec->resources.cgroups = p.groups;
    spec->resources.cgroups_len = 0;
    prl_cgroup_host_lend(p.host, &spec->resources);
    spec->resources.swapless = true; /* the machine's, and no limit of memory */
    int r = plan_limit(&p, PRL_LIMIT_MEMORY, PRL_CONTROL_MEMORY, reterr);
    if (r == 0)
        r = plan_limit(&p, PRL_LIMIT_PIDS, PRL_CONTROL_PIDS, reterr);
    if (r < 0)
        return r;
    bool used = meter_of(p.spec) != NULL;
    r = used ? 0 : use_meter(&p, &used, reterr);
    if (r < 0 || used || p.spec->resources.best_effort)
        return r;
    if (!host->clock || !has_taskclock())
        return prl_failf(reterr, PRL_STAGE_LIMITS, EOPNOTSUPP, "--cpus",
                         "neither perf's clock nor a control group bills processor time here");
    if (!prl_steal_happens())
        return 0;
    return prl_failf(reterr, PRL_STAGE_LIMITS, EOPNOTSUPP, "--cpus",
                     "a hypervisor takes time of these processors, which perf's clock bills, "
                     "and no control group is delegated to you");
}
