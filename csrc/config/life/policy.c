/* policy.c: see policy.h.
 * In, out, never: as there.  Source: docker's restartmanager: 100 ms, doubled each time up to a
 * minute, and from the beginning after a run of ten seconds. */
#include "config/life/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t FIRST_NS = 100000000u, MOST_NS = 60000000000u, GOOD_RUN_NS = 10000000000u;

enum { DIGITS = 9 };

int prl_policy_parse(const char *text, struct prl_policy *ret, const char **ret_wrong)
{
    static const char names[][16] = {[PRL_POLICY_NO] = "no",
                                     [PRL_POLICY_ON_FAILURE] = "on-failure",
                                     [PRL_POLICY_ALWAYS] = "always",
                                     [PRL_POLICY_UNLESS_STOPPED] = "unless-stopped"};
    size_t len = strcspn(text, ":"), kind = 0, kinds = sizeof names / sizeof *names;
    const char *most = text[len] ? text + len + 1 : NULL;
    *ret = (struct prl_policy){.kind = PRL_POLICY_NO};
    while (kind < kinds &&
           !(strlen(names[kind]) == len && strncmp(names[kind], text, len) == 0))
        kind++;
    *ret_wrong =
        "unknown policy: use one of no, always, on-failure, on-failure:3, unless-stopped";
    if (kind == kinds)
        return -EINVAL;
    *ret_wrong = "a maximum retry count is for on-failure alone";
    if (most && kind != PRL_POLICY_ON_FAILURE)
        return -EINVAL;
    *ret_wrong = "the maximum retry count must be a whole number";
    if (most && (!*most || strlen(most) > DIGITS || strspn(most, "0123456789") != strlen(most)))
        return -EINVAL;
    *ret = (struct prl_policy){.kind = (enum prl_policy_kind)kind,
                               .most = most ? (unsigned)strtoul(most, NULL, 10) : 0};
    return 0;
}

bool prl_policy_again(const struct prl_policy *policy, const struct prl_status *status,
                      unsigned restarts)
{
    switch (policy->kind) {
    case PRL_POLICY_ALWAYS:
    case PRL_POLICY_UNLESS_STOPPED:
        return true;
    case PRL_POLICY_ON_FAILURE:
        return prl_status_exit_code(status) != 0 &&
               (policy->most == 0 || restarts < policy->most);
    default:
        return false;
    }
}

uint64_t prl_policy_pause_ns(uint64_t last_ns, uint64_t ran_ns)
{
    if (last_ns == 0 || ran_ns >= GOOD_RUN_NS)
        return FIRST_NS;
    return last_ns < MOST_NS / 2 ? 2 * last_ns : MOST_NS;
}
