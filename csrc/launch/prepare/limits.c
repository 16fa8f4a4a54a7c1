/* limits.c: what of the limits the child itself must apply: processors, processes.
 * In: a list as in "0-2,5", a quota, the processors this process may use.  Out: a mask, a
 * number. Never: more processors than asked for. */
#include "launch/prepare/setup.h"

#include "base/arena.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { MASK_BYTES = sizeof(cpu_set_t), MASK_BITS = 8 * MASK_BYTES };

int prl_prepare_limits(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr)
{
    const struct prl_resources *res = &s->spec->resources;
    /* A program that joins has a supervisor of its own, beside that of the first one. */
    bool second = s->target && s->spec->fake_root == PRL_FAKE_ROOT_REMEMBER;
    s->nproc = res->nproc + second;
    bool fewer = res->held_by[PRL_LIMIT_CPUS] == PRL_BY_AFFINITY;
    s->late_cgroup = res->cgroups_len > 0 && (s->spec->namespaces & CLONE_NEWCGROUP);
    if (!fewer && res->held_by[PRL_LIMIT_CPUSET] != PRL_BY_AFFINITY)
        return 0;
    s->affinity = prl_arena_alloc(arena, MASK_BYTES);
    if (!s->affinity)
        return prl_fail_with(reterr, PRL_STAGE_CLONE, ENOMEM, "malloc", "processors");
    s->affinity_size = MASK_BYTES;
    if (res->cpus) {
        /* Checked by spec/sections/resources.c. */
        const char *list = res->cpus;
        while (*list) {
            char *end;
            unsigned long first = strtoul(list, &end, 10), last = first;
            if (*end == '-')
                last = strtoul(end + 1, &end, 10);
            for (unsigned long n = first; n <= last && n < MASK_BITS; n++)
                s->affinity[n / 8] |= (unsigned char)(1u << (n % 8));
            list = *end == ',' ? end + 1 : end;
        }
    } else if (sched_getaffinity(0, MASK_BYTES, (cpu_set_t *)s->affinity) < 0)
        return prl_fail(reterr, PRL_STAGE_LIMITS, "sched_getaffinity", "processors");
    if (fewer) {
        uint64_t count = (res->quota_us + res->period_us - 1) / res->period_us;
        for (size_t n = 0; n < MASK_BITS; n++) {
            unsigned char bit = (unsigned char)(1u << (n % 8));
            if (!(s->affinity[n / 8] & bit))
                continue;
            if (count == 0)
                s->affinity[n / 8] &= (unsigned char)~bit;
            else
                count--;
        }
    }
    return 0;
}
