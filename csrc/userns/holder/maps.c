/* maps.c: which ids a holder keeps, and what they are called in its namespace.
 * In: the maps of a launch.  Out: a key, rows.  Never: a file but /proc/self/ns/user. */
#include "userns/holder/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes when launcher and holder no longer understand each other. */
enum { PROTOCOL = 2 };

static const int counted[] = {RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_MEMLOCK};

static void sort(struct prl_ids *ids)
{
    for (size_t i = 1; i < ids->len; i++) {
        struct prl_id_range one = ids->ranges[i];
        size_t at = i;
        for (; at > 0 && ids->ranges[at - 1].first > one.first; at--)
            ids->ranges[at] = ids->ranges[at - 1];
        ids->ranges[at] = one;
    }
}

static int collect(const struct prl_idmap *rows, size_t len, uint32_t own, struct prl_ids *ret)
{
    ret->len = 0;
    int r = prl_ids_add(ret, own, 1); /* first, so that no range contains it */
    for (size_t i = 0; r == 0 && i < len; i++)
        r = prl_ids_add(ret, rows[i].host_id, rows[i].size);
    if (r < 0)
        return r;
    memmove(ret->ranges, ret->ranges + 1, --ret->len * sizeof *ret->ranges);
    sort(ret);
    /* The maps of range and of keep-id cut the same ids in different pieces. */
    size_t n = 0;
    for (size_t i = 0; i < ret->len; i++) {
        struct prl_id_range *last = n ? &ret->ranges[n - 1] : NULL;
        if (last && last->first + last->count == ret->ranges[i].first)
            last->count += ret->ranges[i].count;
        else
            ret->ranges[n++] = ret->ranges[i];
    }
    ret->len = n;
    return 0;
}

/* FNV-1a, 64 bits. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    for (int i = 0; i < 8; i++, value >>= 8)
        hash = (hash ^ (value & 0xff)) * 0x100000001b3ULL;
    return hash;
}

static uint64_t mix_ids(uint64_t hash, uint32_t own, const struct prl_ids *ids)
{
    hash = mix(mix(hash, own), ids->len);
    for (size_t i = 0; i < ids->len; i++)
        hash = mix(mix(hash, ids->ranges[i].first), ids->ranges[i].count);
    return hash;
}

/* A user namespace lasts with the limits of the process that made it, and it is below the one
 * that was made in: both are the launcher's own, or it is not this holder's. */
static int write_name(struct prl_holder_key *key)
{
    struct stat st;
    struct rlimit limit;
    if (stat("/proc/self/ns/user", &st) < 0)
        return -errno;
    uint64_t hash = mix(0xcbf29ce484222325ULL, st.st_ino);
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        hash = mix(hash, getrlimit(counted[i], &limit) < 0 ? 0 : limit.rlim_cur);
    hash = mix_ids(hash, geteuid(), &key->uids);
    hash = mix_ids(hash, getegid(), &key->gids);
    snprintf(key->name, sizeof key->name, "%d-%016llx", PROTOCOL, (unsigned long long)hash);
    return 0;
}

int prl_holder_key_of(const struct prl_spec *spec, struct prl_holder_key *ret)
{
    int r = collect(spec->uid_maps, spec->uid_maps_len, geteuid(), &ret->uids);
    if (r == 0)
        r = collect(spec->gid_maps, spec->gid_maps_len, getegid(), &ret->gids);
    return r < 0 ? r : write_name(ret);
}

int prl_holder_key_parse(const char *uids, const char *gids, struct prl_holder_key *ret)
{
    int r = prl_ids_parse(uids, geteuid(), &ret->uids);
    if (r == 0)
        r = prl_ids_parse(gids, getegid(), &ret->gids);
    return r < 0 ? r : write_name(ret);
}

int prl_holder_ids_text(const struct prl_ids *ids, char *buf, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->len; i++) {
        n += (size_t)snprintf(buf + n, size - n, "%s%u %u", i ? "," : "", ids->ranges[i].first,
                              ids->ranges[i].count);
        if (n >= size)
            return -ENOSPC;
    }
    return ids->len ? 0 : -ERANGE;
}

/* What `host` is called inside, and how many ids from it on are called in order; 0: not there.
 * Inside, 0 is the caller's own, and the ranges follow (prl_ids_map, PRL_IDS_MAP_RANGE). */
static uint32_t find_inside(uint32_t host, uint32_t own, const struct prl_ids *ids,
                            uint32_t *ret_inside)
{
    uint32_t inside = 1;
    *ret_inside = 0;
    if (host == own)
        return 1;
    for (size_t i = 0; i < ids->len; i++) {
        const struct prl_id_range *range = &ids->ranges[i];
        if (host >= range->first && host - range->first < range->count) {
            *ret_inside = inside + (host - range->first);
            return range->count - (host - range->first);
        }
        inside += range->count;
    }
    return 0;
}

/* The kernel refuses a line that lies across two lines of the namespace above. */
int prl_holder_map_text(const struct prl_idmap *rows, size_t len, uint32_t own,
                        const struct prl_ids *ids, char buf[PRL_HOLDER_MAP_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        for (uint32_t done = 0, count; done < rows[i].size; done += count) {
            uint32_t inside, left = rows[i].size - done;
            count = find_inside(rows[i].host_id + done, own, ids, &inside);
            count = count < left ? count : left;
            if (count == 0)
                return -ERANGE;
            n += (size_t)snprintf(buf + n, PRL_HOLDER_MAP_BYTES - n, "%u %u %u\n",
                                  rows[i].container_id + done, inside, count);
            if (n >= PRL_HOLDER_MAP_BYTES)
                return -ENOSPC;
        }
    }
    return n ? 0 : -ERANGE;
}
