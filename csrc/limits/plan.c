/* plan.c: what enforces which limit, from the strongest means to the weakest.
 * In: what is asked for, what the host offers.  Out: an enforcement for each limit, the groups
 * to make. Never: a look at the machine; under strict limits a means that does not enforce what
 * was asked. */
#include "limits/files.h"

#include "base/error.h"
#include "limits/names.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each limit's controller, and what is left without it. */
static const struct {
    unsigned controller;
    enum prl_enforcement weaker;
} ladder[PRL_LIMITS] = {
    [PRL_LIMIT_MEMORY] = {PRL_CONTROL_MEMORY, PRL_BY_WATCHDOG},
    [PRL_LIMIT_SWAP] = {PRL_CONTROL_MEMORY, PRL_BY_NONE},
    [PRL_LIMIT_RESERVATION] = {PRL_CONTROL_MEMORY, PRL_BY_NONE},
    [PRL_LIMIT_CPUS] = {PRL_CONTROL_CPU, PRL_BY_AFFINITY},
    [PRL_LIMIT_SHARES] = {PRL_CONTROL_CPU, PRL_BY_NONE},
    [PRL_LIMIT_CPUSET] = {PRL_CONTROL_CPUSET, PRL_BY_AFFINITY},
    [PRL_LIMIT_PIDS] = {PRL_CONTROL_PIDS, PRL_BY_NPROC},
    [PRL_LIMIT_IO] = {PRL_CONTROL_IO, PRL_BY_NONE},
    /* Only to ask for: any group of version 2 counts. */
    [PRL_LIMIT_CPU_TIME] = {PRL_CONTROL_CPU, PRL_BY_WATCHDOG},
};

static const char sentences[PRL_ENFORCEMENTS][84] = {
    [PRL_BY_CGROUP1] = "a group of version 1, whose limits of disks a program that may mount "
                       "can rewrite",
    [PRL_BY_NPROC] = "RLIMIT_NPROC, which counts each user of the container for itself",
    [PRL_BY_FSIZE] = "RLIMIT_FSIZE, which counts each file for itself",
    [PRL_BY_CLOCK] = "perf's clock, less what a hypervisor may have taken of the processors",
    [PRL_BY_AFFINITY] = "the processors of each process, which a program may change itself",
    [PRL_BY_WATCHDOG] = "the watchdog alone, which looks again and again and may be late",
    [PRL_BY_NONE] = "nothing",
};

unsigned prl_limits_controllers(const struct prl_spec *spec)
{
    unsigned all = 0;
    for (unsigned i = 0; i < PRL_LIMITS; i++)
        if (spec->resources.asked & (1u << i))
            all |= ladder[i].controller;
    return all;
}

/* The base with a controller, version 2 before version 1; -1: none. */
static int find_base(const struct prl_cgroup_host *host, unsigned controller)
{
    int found = -1;
    for (size_t i = 0; i < host->len; i++)
        if ((host->bases[i].controllers & controller) &&
            (found < 0 || (host->bases[i].version2 && !host->bases[found].version2)))
            found = (int)i;
    return found;
}

/* The kernel counts each user of the user namespace separately, and the real root not at all:
 * with one id there is one count. */
static bool counts_the_container(const struct prl_spec *spec)
{
    return (spec->namespaces & CLONE_NEWUSER) && spec->uid_maps_len == 1 &&
           spec->uid_maps[0].size == 1 && geteuid() != 0 && !spec->network.container;
}

static int choose_group(const struct prl_spec *spec, unsigned limit, bool version2,
                        struct prl_limits_plan *plan, struct prl_error *reterr)
{
    plan->held_by[limit] = version2 ? PRL_BY_CGROUP2 : PRL_BY_CGROUP1;
    /* A throttle of version 1 is set in the very group that is the root of the container's
     * cgroup namespace: a program that can mount it can rewrite it. */
    if (limit != PRL_LIMIT_IO || version2 || !prl_cgroup_is_apart(spec))
        return 0;
    if (!spec->resources.best_effort)
        return prl_failf(reterr, PRL_STAGE_LIMITS, EOPNOTSUPP, prl_limit_option(limit),
                         "it would be held by %s", sentences[PRL_BY_CGROUP1]);
    plan->weak |= 1u << limit;
    return 0;
}

static int choose_weaker(const struct prl_spec *spec, unsigned limit,
                         struct prl_limits_plan *plan, struct prl_error *reterr)
{
    enum prl_enforcement enforcement = ladder[limit].weaker;
    bool holds = enforcement == PRL_BY_NPROC && counts_the_container(spec);
    /* A user namespace that is shared counts the processes of both. */
    if (enforcement == PRL_BY_NPROC && (geteuid() == 0 || spec->network.container))
        enforcement = PRL_BY_NONE;
    if (!holds && !spec->resources.best_effort)
        return prl_failf(
            reterr, PRL_STAGE_LIMITS, EOPNOTSUPP, prl_limit_option(limit),
            "no control group for it is delegated to you; without one it is held by %s",
            sentences[enforcement]);
    if (!holds)
        plan->weak |= 1u << limit;
    plan->held_by[limit] = (uint8_t)enforcement;
    return 0;
}

/* Every group of version 2 counts processor time, in version 1 one hierarchy does. */
static int find_meter(const struct prl_cgroup_host *host, unsigned *ret_controller)
{
    int found = -1;
    for (size_t i = 0; i < host->len && found < 0; i++)
        if (host->bases[i].version2 && host->bases[i].controllers)
            found = (int)i;
    if (found < 0) {
        *ret_controller = PRL_CONTROL_CPUACCT;
        return find_base(host, PRL_CONTROL_CPUACCT);
    }
    unsigned all = host->bases[found].controllers;
    *ret_controller = all & PRL_CONTROL_CPU ? PRL_CONTROL_CPU : all & -all;
    return found;
}

bool prl_cgroup_has_meter(const struct prl_cgroup_host *host)
{
    unsigned controller;
    return find_meter(host, &controller) >= 0;
}

/* The monitor kills; how it measures decides how far it can be deceived. */
static int choose_meter(const struct prl_spec *spec, const struct prl_cgroup_host *host,
                        unsigned *used, struct prl_limits_plan *plan, struct prl_error *reterr)
{
    unsigned controller;
    int base = find_meter(host, &controller);
    if (base >= 0) {
        used[base] |= controller;
        plan->held_by[PRL_LIMIT_CPU_TIME] =
            host->bases[base].version2 ? PRL_BY_CGROUP2 : PRL_BY_CGROUP1;
        return 0;
    }
    if (!host->clock)
        return choose_weaker(spec, PRL_LIMIT_CPU_TIME, plan, reterr);
    plan->held_by[PRL_LIMIT_CPU_TIME] = PRL_BY_CLOCK;
    plan->weak |= host->stolen ? 1u << PRL_LIMIT_CPU_TIME : 0;
    return 0;
}

/* One more line to *text, which is malloc'd; false: no memory. */
static bool add_group(char **text, const struct prl_cgroup_base *base, unsigned controllers,
                      const char *id)
{
    char names[64], *longer = NULL;
    int n = 0;
    names[0] = '\0';
    for (unsigned bit = 1; bit <= controllers; bit <<= 1)
        if ((controllers & bit) && (size_t)n < sizeof names)
            n += snprintf(names + n, sizeof names - (size_t)n, "%s%s", n > 0 ? "," : "",
                          prl_controller_name(bit, base->version2));
    n = asprintf(&longer, "%s%s%c %s %s/pyrootless-%s", *text, **text ? "\n" : "",
                 base->version2 ? '2' : '1', names, base->path, id);
    if (n < 0)
        return false;
    free(*text);
    *text = longer;
    return true;
}

static char *describe_groups(const struct prl_cgroup_host *host, const unsigned *used,
                             const char *id)
{
    char *text = strdup("");
    for (size_t i = 0; text && i < host->len; i++) {
        if (!used[i] || add_group(&text, &host->bases[i], used[i], id))
            continue;
        free(text);
        return NULL;
    }
    return text;
}

int prl_limits_choose(const struct prl_spec *spec, const struct prl_cgroup_host *host,
                      const char *id, struct prl_limits_plan *ret, struct prl_error *reterr)
{
    struct prl_limits_plan plan = {.weak = 0};
    unsigned used[PRL_CGROUP_BASES] = {0};
    for (unsigned i = 0; i < PRL_LIMITS; i++) {
        if (!(spec->resources.asked & (1u << i)))
            continue;
        if (i == PRL_LIMIT_STORAGE) { /* the root's form decided */
            plan.held_by[i] = spec->resources.held_by[i];
            plan.weak |= plan.held_by[i] == PRL_BY_FSIZE ? 1u << i : 0;
            continue;
        }
        if (i == PRL_LIMIT_CPU_TIME) {
            int r = choose_meter(spec, host, used, &plan, reterr);
            if (r < 0)
                return r;
            continue;
        }
        int base = find_base(host, ladder[i].controller);
        if (base >= 0) {
            used[base] |= ladder[i].controller;
        }
        int r = base >= 0 ? choose_group(spec, i, host->bases[base].version2, &plan, reterr)
                          : choose_weaker(spec, i, &plan, reterr);
        if (r < 0)
            return r;
    }
    /* Groups that only measure are added where a group is made anyway; version 1 counts
     * processor time in a hierarchy of its own, which is worth it when processors are limited.
     */
    int meter = find_base(host, PRL_CONTROL_CPUACCT), cpu = find_base(host, PRL_CONTROL_CPU);
    if (meter >= 0 && cpu >= 0 && (used[cpu] & PRL_CONTROL_CPU) && !host->bases[cpu].version2)
        used[meter] |= PRL_CONTROL_CPUACCT;
    if (prl_cgroup_is_apart(spec)) {
        /* A group in every base; in version 2 with no controller that is not needed. */
        for (size_t i = 0; i < host->len; i++)
            if (used[i] == 0 || !host->bases[i].version2)
                used[i] |= host->bases[i].version2 ? (unsigned)PRL_CONTROL_OTHER
                                                   : host->bases[i].controllers;
        plan.open = host->open;
    }
    plan.groups = describe_groups(host, used, id);
    if (!plan.groups)
        return prl_fail_with(reterr, PRL_STAGE_LIMITS, ENOMEM, "malloc", "limits");
    *ret = plan;
    return 0;
}

void prl_limits_plan_free(struct prl_limits_plan *plan)
{
    free(plan->groups);
    plan->groups = NULL;
}

void prl_limits_describe(const struct prl_resources *resources,
                         const struct prl_limits_plan *plan, unsigned limit, char *buf,
                         size_t size)
{
    const char *by = sentences[plan->held_by[limit]];
    int n =
        snprintf(buf, size, "%s is held by %s", prl_limit_option(limit), *by ? by : "nothing");
    uint64_t quota = resources->quota_us, period = resources->period_us;
    if (limit != PRL_LIMIT_CPUS || plan->held_by[limit] != PRL_BY_AFFINITY ||
        quota % period == 0 || n < 0 || (size_t)n >= size)
        return;
    uint64_t whole = quota / period + 1; /* a mask has no parts of one */
    snprintf(buf + n, size - (size_t)n, ": %llu whole processor%s instead of %.4g",
             (unsigned long long)whole, whole == 1 ? "" : "s", (double)quota / (double)period);
}
