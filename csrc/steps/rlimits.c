/* rlimits.c: resource limits.  In: rows of config.json.  Out: setrlimit.  Never: a raised hard
 * limit.  Source: getrlimit(2). */
#include "steps/steps.h"

#include <sys/resource.h>

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
    return 0;
}
