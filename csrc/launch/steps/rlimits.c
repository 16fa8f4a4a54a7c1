/* rlimits.c: resource limits.  In: rows of config.json.  Out: setrlimit.  Never: a raised hard
 * limit.  Source: getrlimit(2). */
#include "launch/steps/setup.h"

#include <sys/resource.h>

/* Both limits, but never above what there is. */
static int PRL_CHILD_SAFE lower(int resource, uint64_t most, struct prl_error *reterr)
{
    struct rlimit limit = {.rlim_cur = 0};
    char number[24];
    if (getrlimit(resource, &limit) == 0) {
        limit.rlim_cur = limit.rlim_cur < most ? limit.rlim_cur : (rlim_t)most;
        limit.rlim_max = limit.rlim_max < most ? limit.rlim_max : (rlim_t)most;
        if (setrlimit(resource, &limit) == 0)
            return 0;
    }
    return prl_fail(reterr, PRL_STAGE_LIMITS, "setrlimit",
                    prl_sys_decimal((uint64_t)resource, number));
}

int PRL_CHILD_SAFE prl_rlimits_apply(struct prl_setup *s, struct prl_error *reterr)
{
    for (size_t i = 0; i < s->spec->process.rlimits_len; i++) {
        const struct prl_rlimit *row = &s->spec->process.rlimits[i];
        struct rlimit limit = {.rlim_cur = (rlim_t)row->soft, .rlim_max = (rlim_t)row->hard};
        char number[24];
        if (setrlimit(row->resource, &limit) < 0)
            return prl_fail(reterr, PRL_STAGE_RLIMITS, "setrlimit",
                            prl_sys_decimal((uint64_t)row->resource, number));
    }
    /* Limits that no control group holds.  Source: getrlimit(2): RLIMIT_NPROC counts the user
     * in its user namespace (Linux 5.14), RLIMIT_DATA private writable memory. */
    const struct prl_resources *res = &s->spec->resources;
    int r = 0;
    if (res->held_by[PRL_LIMIT_PIDS] == PRL_BY_NPROC)
        r = lower(RLIMIT_NPROC, s->nproc, reterr);
    if (r == 0 && res->held_by[PRL_LIMIT_MEMORY] == PRL_BY_WATCHDOG)
        r = lower(RLIMIT_DATA, res->data_bytes ? res->data_bytes : res->memory_bytes, reterr);
    return r;
}
