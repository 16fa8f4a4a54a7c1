/* ids.c: the kernel's rules for changing ids, on values; see ids.h.
 * In, out: as there.  Never: a system call.
 * Source: setuid(2), setresuid(2), setfsuid(2), capabilities(7) "Effect of user ID changes on
 * capabilities", chown(2). */
#include "fakeroot/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct prl_fakeroot_ids prl_ids_root(void)
{
    struct prl_fakeroot_ids ids;
    memset(&ids, 0, sizeof ids);
    ids.permitted = ids.capable = 1;
    return ids;
}

/* A new id must be one of those the process has, unless it is capable. */
static bool may_take(const struct prl_fakeroot_ids *ids, const struct prl_fakeroot_quad *old,
                     uint32_t id)
{
    return ids->capable || id == PRL_IDS_KEEP || id == old->real || id == old->effective ||
           id == old->saved;
}

static bool has_root(const struct prl_fakeroot_quad *q)
{
    return q->real == 0 || q->effective == 0 || q->saved == 0;
}

/* What a change of user ids does to the capabilities. */
static void follow_caps(struct prl_fakeroot_ids *ids, const struct prl_fakeroot_quad *old)
{
    if (has_root(old) && !has_root(&ids->uid) && !ids->keep_caps)
        ids->permitted = ids->capable = 0;
    if (old->effective == 0 && ids->uid.effective != 0)
        ids->capable = 0;
    if (old->effective != 0 && ids->uid.effective == 0)
        ids->capable = ids->permitted;
}

static int set_one(const struct prl_fakeroot_ids *ids, struct prl_fakeroot_quad *q, uint32_t id)
{
    if (id == PRL_IDS_KEEP)
        return -EINVAL;
    if (ids->capable)
        q->real = q->saved = id;
    else if (id != q->real && id != q->saved)
        return -EPERM;
    q->effective = q->fs = id;
    return 0;
}

static int set_two(const struct prl_fakeroot_ids *ids, struct prl_fakeroot_quad *q,
                   uint32_t real, uint32_t effective)
{
    const struct prl_fakeroot_quad old = *q;
    bool real_fits = real == PRL_IDS_KEEP || real == old.real || real == old.effective;
    if (!ids->capable && (!real_fits || !may_take(ids, &old, effective)))
        return -EPERM;
    if (real != PRL_IDS_KEEP)
        q->real = real;
    if (effective != PRL_IDS_KEEP)
        q->effective = effective;
    if (real != PRL_IDS_KEEP || (effective != PRL_IDS_KEEP && effective != old.real))
        q->saved = q->effective;
    q->fs = q->effective;
    return 0;
}

static int set_three(const struct prl_fakeroot_ids *ids, struct prl_fakeroot_quad *q,
                     const uint32_t want[3])
{
    const struct prl_fakeroot_quad old = *q;
    for (int i = 0; i < 3; i++)
        if (!may_take(ids, &old, want[i]))
            return -EPERM;
    if (want[0] != PRL_IDS_KEEP)
        q->real = want[0];
    if (want[1] != PRL_IDS_KEEP)
        q->effective = want[1];
    if (want[2] != PRL_IDS_KEEP)
        q->saved = want[2];
    q->fs = q->effective;
    return 0;
}

static uint32_t set_fs(const struct prl_fakeroot_ids *ids, struct prl_fakeroot_quad *q,
                       uint32_t id)
{
    uint32_t old = q->fs;
    if (id != PRL_IDS_KEEP && (may_take(ids, q, id) || id == old))
        q->fs = id;
    return old;
}

int prl_ids_setuid(struct prl_fakeroot_ids *ids, uint32_t uid)
{
    const struct prl_fakeroot_quad old = ids->uid;
    int r = set_one(ids, &ids->uid, uid);
    follow_caps(ids, &old);
    return r;
}

int prl_ids_setreuid(struct prl_fakeroot_ids *ids, uint32_t real, uint32_t effective)
{
    const struct prl_fakeroot_quad old = ids->uid;
    int r = set_two(ids, &ids->uid, real, effective);
    follow_caps(ids, &old);
    return r;
}

int prl_ids_setresuid(struct prl_fakeroot_ids *ids, uint32_t real, uint32_t effective,
                      uint32_t saved)
{
    const struct prl_fakeroot_quad old = ids->uid;
    int r = set_three(ids, &ids->uid, (const uint32_t[3]){real, effective, saved});
    follow_caps(ids, &old);
    return r;
}

uint32_t prl_ids_setfsuid(struct prl_fakeroot_ids *ids, uint32_t uid)
{
    return set_fs(ids, &ids->uid, uid);
}

int prl_ids_setgid(struct prl_fakeroot_ids *ids, uint32_t gid)
{
    return set_one(ids, &ids->gid, gid);
}

int prl_ids_setregid(struct prl_fakeroot_ids *ids, uint32_t real, uint32_t effective)
{
    return set_two(ids, &ids->gid, real, effective);
}

int prl_ids_setresgid(struct prl_fakeroot_ids *ids, uint32_t real, uint32_t effective,
                      uint32_t saved)
{
    return set_three(ids, &ids->gid, (const uint32_t[3]){real, effective, saved});
}

uint32_t prl_ids_setfsgid(struct prl_fakeroot_ids *ids, uint32_t gid)
{
    return set_fs(ids, &ids->gid, gid);
}

/* The kernel keeps the groups sorted, and shows them so. */
static void sort(uint32_t *groups, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        uint32_t group = groups[i];
        size_t at = i;
        for (; at > 0 && groups[at - 1] > group; at--)
            groups[at] = groups[at - 1];
        groups[at] = group;
    }
}

int prl_ids_setgroups(struct prl_fakeroot_ids *ids, const uint32_t *groups, size_t len)
{
    if (!ids->capable)
        return -EPERM;
    if (len > PRL_IDS_GROUPS)
        return -EINVAL;
    memset(ids->groups, 0, sizeof ids->groups);
    memcpy(ids->groups, groups, len * sizeof *groups);
    sort(ids->groups, len);
    ids->groups_len = (uint32_t)len;
    return 0;
}

int prl_ids_capset(struct prl_fakeroot_ids *ids, bool permitted, bool effective)
{
    if ((permitted || effective) && !ids->permitted)
        return -EPERM;
    ids->permitted = permitted;
    ids->capable = effective;
    return 0;
}

void prl_ids_exec(struct prl_fakeroot_ids *ids)
{
    ids->uid.saved = ids->uid.fs = ids->uid.effective;
    ids->gid.saved = ids->gid.fs = ids->gid.effective;
    ids->permitted = ids->uid.real == 0 || ids->uid.effective == 0;
    ids->capable = ids->uid.effective == 0;
    ids->keep_caps = 0;
}

int prl_ids_executed(const char *text, struct prl_fakeroot_ids *ret)
{
    uint32_t ids[2 + PRL_IDS_GROUPS];
    size_t len = 0;
    char *end;
    for (const char *at = text;; at = end + 1) {
        unsigned long id = strtoul(at, &end, 10);
        if (end == at || (*end && *end != ',') || id >= PRL_IDS_KEEP ||
            len == 2 + PRL_IDS_GROUPS)
            return -EINVAL;
        ids[len++] = (uint32_t)id;
        if (!*end)
            break;
    }
    if (len < 2)
        return -EINVAL;
    *ret = prl_ids_root();
    (void)prl_ids_setgroups(ret, ids + 2, len - 2);
    (void)prl_ids_setgid(ret, ids[1]);
    (void)prl_ids_setuid(ret, ids[0]);
    prl_ids_exec(ret);
    return 0;
}

static bool in_group(const struct prl_fakeroot_ids *ids, uint32_t gid)
{
    for (uint32_t i = 0; i < ids->groups_len; i++)
        if (ids->groups[i] == gid)
            return true;
    return gid == ids->gid.fs;
}

int prl_ids_may_chown(const struct prl_fakeroot_ids *ids, const uint32_t owner[2],
                      const uint32_t wanted[2])
{
    bool owns = ids->uid.fs == owner[0];
    if (ids->capable)
        return 0;
    if (wanted[0] != PRL_IDS_KEEP && (!owns || wanted[0] != owner[0]))
        return -EPERM;
    if (wanted[1] != PRL_IDS_KEEP &&
        (!owns || !(wanted[1] == owner[1] || in_group(ids, wanted[1]))))
        return -EPERM;
    return 0;
}
