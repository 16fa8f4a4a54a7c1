/* calls_ids.c: what a process is told about its own ids, and what it may make of them.
 * In: one call.  Out: its result by the rules of ids.c.  Never: a change of the kernel's ids.
 *
 * Sets are interned: a process carries an index (target.h), which fork and exec hand on.
 * Source: getresuid(2), getgroups(2), capset(2), prctl(2). */
#include "fakeroot/supervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SETS_MAX = 4096, CAP_SETGID = 6, CAP_SETUID = 7 };

const struct prl_fakeroot_ids *prl_fake_ids(const struct prl_fake *fake,
                                            const struct prl_fake_request *request)
{
    uint32_t index = prl_target_ids(&request->target);
    return &fake->sets[index < fake->sets_len ? index : 0];
}

/* The index of this set, new or known; -EAGAIN: too many. */
static long intern(struct prl_fake *fake, const struct prl_fakeroot_ids *ids)
{
    for (uint32_t i = 0; i < fake->sets_len; i++)
        if (memcmp(&fake->sets[i], ids, sizeof *ids) == 0)
            return i;
    if (fake->sets_len == SETS_MAX)
        return -EAGAIN;
    struct prl_fakeroot_ids *sets = realloc(fake->sets, (fake->sets_len + 1) * sizeof *sets);
    if (!sets)
        return -EAGAIN;
    sets[fake->sets_len] = *ids;
    fake->sets = sets;
    return fake->sets_len++;
}

static int keep(struct prl_fake *fake, const struct prl_fake_request *request,
                const struct prl_fakeroot_ids *ids)
{
    long index = intern(fake, ids);
    if (index < 0)
        return (int)index;
    if ((uint32_t)index == prl_target_ids(&request->target))
        return 0;
    return prl_target_set_ids(&request->target, (uint32_t)index);
}

long prl_fake_get_id(struct prl_fake *fake, const struct prl_fake_request *request)
{
    const struct prl_fakeroot_ids *ids = prl_fake_ids(fake, request);
    switch (request->call) {
    case PRL_FAKE_GETUID:
        return ids->uid.real;
    case PRL_FAKE_GETEUID:
        return ids->uid.effective;
    case PRL_FAKE_GETGID:
        return ids->gid.real;
    default:
        return ids->gid.effective;
    }
}

long prl_fake_get_ids(struct prl_fake *fake, const struct prl_fake_request *request)
{
    const struct prl_fakeroot_ids *ids = prl_fake_ids(fake, request);
    const struct prl_fakeroot_quad *q =
        request->call == PRL_FAKE_GETRESUID ? &ids->uid : &ids->gid;
    const uint32_t values[3] = {q->real, q->effective, q->saved};
    for (int i = 0; i < 3; i++) {
        int r =
            prl_target_write(&request->target, request->args[i], &values[i], sizeof *values);
        if (r < 0)
            return r;
    }
    return 0;
}

long prl_fake_get_groups(struct prl_fake *fake, const struct prl_fake_request *request)
{
    const struct prl_fakeroot_ids *ids = prl_fake_ids(fake, request);
    int32_t room = (int32_t)request->args[0];
    if (room < 0 || (room > 0 && (uint32_t)room < ids->groups_len))
        return -EINVAL;
    if (room == 0 || ids->groups_len == 0)
        return ids->groups_len;
    int r = prl_target_write(&request->target, request->args[1], ids->groups,
                             ids->groups_len * sizeof *ids->groups);
    return r < 0 ? r : (long)ids->groups_len;
}

static long apply(struct prl_fakeroot_ids *ids, enum prl_fake_call call, const uint32_t a[3])
{
    switch (call) {
    case PRL_FAKE_SETUID:
        return prl_ids_setuid(ids, a[0]);
    case PRL_FAKE_SETREUID:
        return prl_ids_setreuid(ids, a[0], a[1]);
    case PRL_FAKE_SETRESUID:
        return prl_ids_setresuid(ids, a[0], a[1], a[2]);
    case PRL_FAKE_SETFSUID:
        return prl_ids_setfsuid(ids, a[0]);
    case PRL_FAKE_SETGID:
        return prl_ids_setgid(ids, a[0]);
    case PRL_FAKE_SETREGID:
        return prl_ids_setregid(ids, a[0], a[1]);
    case PRL_FAKE_SETRESGID:
        return prl_ids_setresgid(ids, a[0], a[1], a[2]);
    case PRL_FAKE_SETFSGID:
        return prl_ids_setfsgid(ids, a[0]);
    default: /* PR_SET_KEEPCAPS */
        ids->keep_caps = a[1] != 0;
        return PRL_FAKE_PASS;
    }
}

long prl_fake_set_ids(struct prl_fake *fake, const struct prl_fake_request *request)
{
    struct prl_fakeroot_ids ids = *prl_fake_ids(fake, request);
    const uint64_t *args = request->args;
    const uint32_t a[3] = {(uint32_t)args[0], (uint32_t)args[1], (uint32_t)args[2]};
    long result = apply(&ids, request->call, a);
    if (result < 0 && result != PRL_FAKE_PASS)
        return result;
    int r = keep(fake, request, &ids);
    return r < 0 ? r : result;
}

long prl_fake_set_groups(struct prl_fake *fake, const struct prl_fake_request *request)
{
    uint32_t groups[PRL_IDS_GROUPS];
    struct prl_fakeroot_ids ids = *prl_fake_ids(fake, request);
    uint32_t len = (uint32_t)request->args[0];
    if (!ids.capable)
        return -EPERM;
    if (len > PRL_IDS_GROUPS)
        return -EINVAL;
    int r =
        len ? prl_target_read(&request->target, request->args[1], groups, len * sizeof *groups)
            : 0;
    if (r == 0)
        r = prl_ids_setgroups(&ids, groups, len);
    return r < 0 ? r : keep(fake, request, &ids);
}

/* The kernel then changes the real sets: what is given up here is gone there. */
long prl_fake_capset(struct prl_fake *fake, const struct prl_fake_request *request)
{
    uint32_t words[2]; /* effective, permitted of the first 32 capabilities */
    const uint32_t ours = 1u << CAP_SETGID | 1u << CAP_SETUID;
    struct prl_fakeroot_ids ids = *prl_fake_ids(fake, request);
    if (prl_target_read(&request->target, request->args[1], words, sizeof words) < 0)
        return PRL_FAKE_PASS; /* EFAULT is the kernel's to say */
    int r = prl_ids_capset(&ids, words[1] & ours, words[0] & ours);
    if (r == 0)
        r = keep(fake, request, &ids);
    return r < 0 ? r : PRL_FAKE_PASS;
}

/* Before the program is found: a search along PATH asks more than once, which changes nothing.
 */
long prl_fake_exec(struct prl_fake *fake, const struct prl_fake_request *request)
{
    struct prl_fakeroot_ids ids = *prl_fake_ids(fake, request);
    if (prl_target_ids(&request->target) != 0) {
        prl_ids_exec(&ids);
        (void)keep(fake, request, &ids); /* as capable as before, then: these are claims */
    }
    return PRL_FAKE_PASS;
}

/* RLIMIT_LOCKS is ours: it reads as unlimited, and writing it changes nothing. */
long prl_fake_limit(struct prl_fake *fake, const struct prl_fake_request *request)
{
    static const uint64_t unlimited[2] = {RLIM_INFINITY, RLIM_INFINITY};
    uint64_t address = request->call == PRL_FAKE_PRLIMIT    ? request->args[3]
                       : request->call == PRL_FAKE_GETLIMIT ? request->args[1]
                                                            : 0;
    (void)fake;
    return address ? prl_target_write(&request->target, address, unlimited, sizeof unlimited)
                   : 0;
}
