/* seccomp.c: the filter, installed last.
 * In: a compiled program.  Out: filter mode.  Never: compiling, a container without the filter
 * it was to have. Source: seccomp(2). */
#include "steps/steps.h"

int PRL_CHILD_SAFE prl_seccomp_apply(struct prl_setup *s, struct prl_error *reterr)
{
    if (!s->filter)
        return 0;
    if (prl_sys_seccomp_load(s->filter, s->filter_len) < 0)
        return prl_fail(reterr, PRL_STAGE_SECCOMP, "seccomp", "filter");
    return 0;
}
