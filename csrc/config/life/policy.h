/* policy.h: when a container is started again after its end: --restart.
 * In: docker's words, how it ended.  Out: whether, and after how long.  Never: a start, a
 * clock. */
#pragma once

#include "prl.h"

enum prl_policy_kind {
    PRL_POLICY_NO,
    PRL_POLICY_ON_FAILURE,
    PRL_POLICY_ALWAYS,
    PRL_POLICY_UNLESS_STOPPED, /* as always, but for what a boot finds stopped */
};

struct prl_policy {
    enum prl_policy_kind kind;
    unsigned most; /* starts by on-failure; 0: as many as it takes */
};

/* "no", "on-failure:3", "always", "unless-stopped".  *ret_wrong: what is wrong with it. */
int prl_policy_parse(const char *text, struct prl_policy *ret, const char **ret_wrong);
/* restarts: so many there were since somebody started it. */
bool prl_policy_again(const struct prl_policy *policy, const struct prl_status *status,
                      unsigned restarts);
/* How long to wait: docker's.  last_ns: before the start that came before; 0: there was none.
 */
uint64_t prl_policy_pause_ns(uint64_t last_ns, uint64_t ran_ns);
