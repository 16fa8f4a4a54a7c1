/* caps.c: user, capabilities, no_new_privs, keyring, and the tie to the parent's life.
 * In: process.user, process.capabilities.  Out: exactly these sets, read-back not needed: each
 * call fails or holds. Never: a capability that was not asked for.  Source: capabilities(7),
 * prctl(2), keyctl(2). */
#include "launch/steps/setup.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { CAP_BITS = 64 };

/* The caller's supplementary groups are dropped if the kernel allows it: with the caller's own
 * id only it does not, and a map of many ids may have been written with setgroups(2) denied.
 * What these groups were refused ("deny by group") is then allowed: SECURITY.md says which
 * options prevent that. */
static int PRL_CHILD_SAFE set_groups(const struct prl_process *p, struct prl_error *reterr)
{
    if (syscall(SYS_setgroups, p->additional_gids_len, p->additional_gids) == 0 ||
        (errno == EPERM && p->additional_gids_len == 0))
        return 0;
    return prl_fail(reterr, PRL_STAGE_CAPS, "setgroups", "process.user.additionalGids");
}

static int PRL_CHILD_SAFE become_user(const struct prl_setup *s, struct prl_error *reterr)
{
    const struct prl_process *p = &s->spec->process;
    const char *failed;
    if (s->fake_ids) /* its supervisor knows who the program is */
        return 0;
    bool told = s->served || s->ready || s->target || p->additional_gids_len;
    int r = told && !p->keep_groups ? set_groups(p, reterr) : 0;
    if (r < 0)
        return r;
    if (getuid() == p->uid && getgid() == p->gid)
        return 0;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return prl_fail(reterr, PRL_STAGE_CAPS, "prctl", "PR_SET_KEEPCAPS");
    if (prl_sys_become(p->uid, p->gid, &failed) < 0)
        return prl_fail(reterr, PRL_STAGE_CAPS, failed, "process.user");
    /* Leaving uid 0 empties the effective set, which the rest of this step needs. */
    uint64_t effective, permitted;
    if (prl_sys_capget(&effective, &permitted) < 0 ||
        prl_sys_capset(permitted, permitted, 0) < 0)
        return prl_fail(reterr, PRL_STAGE_CAPS, "capset", "process.user.uid");
    return 0;
}

/* Bits above the kernel's last capability answer EINVAL: the end of the list. */
static int PRL_CHILD_SAFE drop_bounding(uint64_t keep, uint64_t *ret_known,
                                        struct prl_error *reterr)
{
    *ret_known = 0;
    for (int bit = 0; bit < CAP_BITS; bit++) {
        bool wanted = keep >> bit & 1;
        int r = wanted ? prctl(PR_CAPBSET_READ, bit, 0, 0, 0)
                       : prctl(PR_CAPBSET_DROP, bit, 0, 0, 0);
        if (r < 0 && errno == EINVAL)
            return 0;
        if (r < 0)
            return prl_fail(reterr, PRL_STAGE_CAPS, "prctl PR_CAPBSET_DROP", "");
        *ret_known |= (uint64_t)1 << bit;
    }
    return 0;
}

int PRL_CHILD_SAFE prl_caps_apply(struct prl_setup *s, struct prl_error *reterr)
{
    const struct prl_process *p = &s->spec->process;
    uint64_t known = 0;
    int r = become_user(s, reterr);
    if (r == 0)
        r = drop_bounding(p->caps[PRL_CAP_BOUNDING], &known, reterr);
    if (r < 0)
        return r;
    if (s->spec->new_keyring && prl_sys_keyring_new() < 0 && errno != ENOSYS && errno != EPERM)
        return prl_fail(reterr, PRL_STAGE_CAPS, "keyctl", "KEYCTL_JOIN_SESSION_KEYRING");
    if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return prl_fail(reterr, PRL_STAGE_CAPS, "prctl", "PR_SET_NO_NEW_PRIVS");
    if (prl_sys_capset(p->caps[PRL_CAP_EFFECTIVE] & known, p->caps[PRL_CAP_PERMITTED] & known,
                       p->caps[PRL_CAP_INHERITABLE] & known) < 0)
        return prl_fail(reterr, PRL_STAGE_CAPS, "capset", "process.capabilities");
    for (int bit = 0; bit < CAP_BITS; bit++)
        if ((p->caps[PRL_CAP_AMBIENT] & known) >> bit & 1 &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0) < 0)
            return prl_fail(reterr, PRL_STAGE_CAPS, "prctl PR_CAP_AMBIENT", "");
    /* Last, because a change of credentials clears it.  The report pipe tells a parent that
     * died before this line. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return prl_fail(reterr, PRL_STAGE_CAPS, "prctl", "PR_SET_PDEATHSIG");
    return 0;
}
