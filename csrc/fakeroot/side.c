/* side.c: the table beside the attributes; see side.h.
 * In, out: as there.  Never: more than ENTRIES_MAX claims in memory. */
#include "fakeroot/side.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRIES_MAX = 1 << 20, FIRST_SLOTS = 256 };

struct entry {
    struct prl_side_key key;
    uint32_t uid, gid;
    bool used;
};

/* Open addressing; slots is a power of two, at most half of it used. */
struct prl_side {
    struct entry *entries;
    size_t slots, used;
    int fd; /* -1: in memory alone */
};

static bool same(const struct prl_side_key *a, const struct prl_side_key *b)
{
    return a->device == b->device && a->inode == b->inode && a->born_ns == b->born_ns;
}

/* The entry of this key, or the free one where it belongs. */
static struct entry *find(struct entry *entries, size_t slots, const struct prl_side_key *key)
{
    uint64_t hash = (key->inode * 0x9e3779b97f4a7c15u) ^ (key->device * 0xc2b2ae3d27d4eb4fu);
    size_t at = (size_t)(hash ^ hash >> 32) & (slots - 1);
    while (entries[at].used && !same(&entries[at].key, key))
        at = (at + 1) & (slots - 1);
    return &entries[at];
}

static int grow(struct prl_side *side)
{
    size_t slots = side->slots * 2;
    struct entry *entries = calloc(slots, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < side->slots; i++)
        if (side->entries[i].used)
            *find(entries, slots, &side->entries[i].key) = side->entries[i];
    free(side->entries);
    side->entries = entries;
    side->slots = slots;
    return 0;
}

static int keep(struct prl_side *side, const struct prl_side_key *key, uint32_t uid,
                uint32_t gid)
{
    struct entry *entry = find(side->entries, side->slots, key);
    if (entry->used) {
        entry->uid = uid;
        entry->gid = gid;
        return 0;
    }
    if (uid == 0 && gid == 0)
        return 0;
    if (side->used == ENTRIES_MAX)
        return -ENOSPC;
    if (side->used * 2 >= side->slots) {
        int r = grow(side);
        if (r < 0)
            return r;
        entry = find(side->entries, side->slots, key);
    }
    *entry = (struct entry){.key = *key, .uid = uid, .gid = gid, .used = true};
    side->used++;
    return 0;
}

/* A line cut short by a full disk or a kill is passed over. */
static int load(struct prl_side *side)
{
    char line[160];
    int copy = dup(side->fd);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "r");
    if (!file) {
        prl_close_p(&copy);
        return -ENOMEM;
    }
    int r = 0;
    while (r == 0 && fgets(line, sizeof line, file)) {
        struct prl_side_key key;
        uint32_t uid, gid;
        if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNu32,
                   &key.device, &key.inode, &key.born_ns, &uid, &gid) == 5)
            r = keep(side, &key, uid, gid);
    }
    fclose(file);
    return r;
}

struct prl_side *prl_side_open(const char *path)
{
    struct prl_side *side = calloc(1, sizeof *side);
    if (!side)
        return NULL;
    side->fd = -1;
    side->slots = FIRST_SLOTS;
    side->entries = calloc(FIRST_SLOTS, sizeof *side->entries);
    if (path)
        side->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (!side->entries || (path && (side->fd < 0 || load(side) < 0))) {
        prl_side_close(side);
        return NULL;
    }
    return side;
}

void prl_side_close(struct prl_side *side)
{
    if (!side)
        return;
    prl_close_p(&side->fd);
    free(side->entries);
    free(side);
}

bool prl_side_empty(const struct prl_side *side)
{
    return side->used == 0;
}

bool prl_side_get(const struct prl_side *side, const struct prl_side_key *key,
                  struct prl_claim *ret)
{
    const struct entry *entry = find(side->entries, side->slots, key);
    if (!entry->used || (entry->uid == 0 && entry->gid == 0))
        return false;
    *ret = (struct prl_claim){.uid = entry->uid, .gid = entry->gid};
    return true;
}

int prl_side_put(struct prl_side *side, const struct prl_side_key *key,
                 const struct prl_claim *claim)
{
    char line[160];
    struct prl_claim now = {0};
    prl_side_get(side, key, &now);
    if (now.uid == claim->uid && now.gid == claim->gid)
        return 0;
    int r = keep(side, key, claim->uid, claim->gid);
    if (r < 0 || side->fd < 0)
        return r;
    int n = snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %u %u\n",
                     key->device, key->inode, key->born_ns, claim->uid, claim->gid);
    return prl_io_write_all(side->fd, line, (size_t)n);
}
