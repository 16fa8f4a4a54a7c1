/* table.c: the table beside the attributes; see table.h.
 * In, out: as there.  Never: more than ENTRIES_MAX claims in memory; a file that grows without
 * the claims growing; a path after it was opened: the supervisor's root changes. */
#include "fakeroot/table.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRIES_MAX = 1 << 20, FIRST_SLOTS = 256, STALE_LINES = 4096, LINE_BYTES = 160 };

#define FRESH "owners.new" /* the file that takes the other's place */

struct entry {
    struct prl_side_key key;
    uint32_t uid, gid;
    bool used;
};

/* Open addressing; slots is a power of two, at most half of it used. */
struct prl_side {
    struct entry *entries;
    size_t slots, used;
    size_t none;  /* of those used: claims that were taken back */
    size_t lines; /* in the file */
    ino_t inode;  /* of the file */
    off_t seen;   /* so many bytes of it are known */
    int fd;       /* -1: in memory alone */
    int dir_fd;
    char name[NAME_MAX + 1];
};

static bool same(const struct prl_side_key *a, const struct prl_side_key *b)
{
    return a->device == b->device && a->inode == b->inode && a->born_ns == b->born_ns;
}

/* The entry of this key, or the free one where it belongs. */
static struct entry *find(struct entry *entries, size_t slots, const struct prl_side_key *key)
{
    uint64_t hash = (key->inode * 0x9e3779b97f4a7c15u) ^ (key->device * 0xc2b2ae3d27d4eb4fu) ^
                    (key->born_ns * 0x165667b19e3779f9u); /* an inode is born again and again */
    size_t at = (size_t)(hash ^ hash >> 32) & (slots - 1);
    while (entries[at].used && !same(&entries[at].key, key))
        at = (at + 1) & (slots - 1);
    return &entries[at];
}

static bool is_none(const struct entry *entry)
{
    return entry->uid == 0 && entry->gid == 0;
}

/* So many slots, and without the claims that were taken back. */
static int rebuild(struct prl_side *side, size_t slots)
{
    struct entry *entries = calloc(slots, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < side->slots; i++)
        if (side->entries[i].used && !is_none(&side->entries[i]))
            *find(entries, slots, &side->entries[i].key) = side->entries[i];
    free(side->entries);
    side->entries = entries;
    side->slots = slots;
    side->used -= side->none;
    side->none = 0;
    return 0;
}

/* Room for one more entry. */
static int make_room(struct prl_side *side)
{
    if (side->used == ENTRIES_MAX)
        return side->none ? rebuild(side, side->slots) : -ENOSPC;
    return side->used * 2 >= side->slots ? rebuild(side, side->slots * 2) : 0;
}

static int keep(struct prl_side *side, const struct prl_side_key *key, uint32_t uid,
                uint32_t gid)
{
    struct entry *entry = find(side->entries, side->slots, key);
    if (entry->used) {
        side->none -= is_none(entry);
        entry->uid = uid;
        entry->gid = gid;
        side->none += is_none(entry);
        return 0;
    }
    if (uid == 0 && gid == 0)
        return 0;
    int r = make_room(side);
    if (r < 0)
        return r;
    *find(side->entries, side->slots, key) =
        (struct entry){.key = *key, .uid = uid, .gid = gid, .used = true};
    side->used++;
    return 0;
}

/* Returns the length. */
static size_t format_line(char line[LINE_BYTES], const struct entry *entry)
{
    return (size_t)snprintf(line, LINE_BYTES, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %u %u\n",
                            entry->key.device, entry->key.inode, entry->key.born_ns, entry->uid,
                            entry->gid);
}

/* Every claim that holds. */
static int write_claims(const struct prl_side *side, int fd)
{
    char text[64 * LINE_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < side->slots; i++) {
        if (side->entries[i].used && !is_none(&side->entries[i]))
            len += format_line(text + len, &side->entries[i]);
        if (len <= sizeof text - LINE_BYTES && i + 1 < side->slots)
            continue;
        int r = prl_io_write_all(fd, text, len);
        if (r < 0)
            return r;
        len = 0;
    }
    return 0;
}

/* The file that is open is known up to its end. */
static void take_place(struct prl_side *side)
{
    struct stat st;
    bool known = fstat(side->fd, &st) == 0;
    side->inode = known ? st.st_ino : 0;
    side->seen = known ? st.st_size : 0;
}

/* A line for each claim that holds: those of the past would make the file grow for as long as
 * somebody changes owners.  False: the longer file stays, until as many more lines came. */
static bool rewrite(struct prl_side *side)
{
    const int flags = O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int fd = openat(side->dir_fd, FRESH, flags, 0600);
    side->lines = side->used - side->none;
    if (fd < 0)
        return false;
    if (write_claims(side, fd) < 0 ||
        renameat(side->dir_fd, FRESH, side->dir_fd, side->name) < 0) {
        unlinkat(side->dir_fd, FRESH, 0);
        return false;
    }
    prl_close_p(&side->fd);
    side->fd = steal_fd(&fd);
    take_place(side);
    return true;
}

/* What is not known yet.  A line cut short by a full disk or a kill is passed over.  1: the
 * last one is such. */
static int load(struct prl_side *side)
{
    char line[LINE_BYTES] = "\n";
    int copy = dup(side->fd);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "r");
    if (!file) {
        prl_close_p(&copy);
        return -ENOMEM;
    }
    int r = fseeko(file, side->seen, SEEK_SET) < 0 ? -errno : 0;
    while (r == 0 && fgets(line, sizeof line, file)) {
        struct prl_side_key key;
        uint32_t uid, gid;
        if (strchr(line, '\n') &&
            sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNu32,
                   &key.device, &key.inode, &key.born_ns, &uid, &gid) == 5)
            r = keep(side, &key, uid, gid);
        side->lines++;
        if (strchr(line, '\n'))
            side->seen = ftello(file);
    }
    fclose(file);
    return r == 0 && !strchr(line, '\n') ? 1 : r;
}

/* The file, and the directory in which another may take its place. */
static int open_file(struct prl_side *side, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX];
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!slash || len >= sizeof directory || strlen(slash + 1) >= sizeof side->name)
        return -EINVAL;
    memcpy(directory, path, len);
    directory[len] = '\0';
    memcpy(side->name, slash + 1, strlen(slash + 1) + 1);
    side->dir_fd = open(len ? directory : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (side->dir_fd < 0)
        return -errno;
    side->fd = openat(side->dir_fd, side->name,
                      O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = side->fd < 0 ? -errno : load(side);
    if (r == 0) {
        struct stat st;
        side->inode = fstat(side->fd, &st) == 0 ? st.st_ino : 0;
    }
    return r == 1 ? (rewrite(side) ? 0 : -EIO) : r;
}

/* A program of `exec` has a supervisor of its own, which writes into the same file, or puts
 * another in its place. */
static void refresh(struct prl_side *side)
{
    struct stat st;
    if (side->fd < 0 || fstatat(side->dir_fd, side->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        (st.st_ino == side->inode && st.st_size == side->seen))
        return;
    if (st.st_ino != side->inode) {
        int fd = openat(side->dir_fd, side->name, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return;
        prl_close_p(&side->fd);
        side->fd = fd;
        side->inode = st.st_ino;
        side->seen = 0;
        side->lines = 0;
    }
    (void)load(side); /* a line that is being written is read the next time */
}

struct prl_side *prl_side_open(const char *path)
{
    struct prl_side *side = calloc(1, sizeof *side);
    if (!side)
        return NULL;
    side->fd = side->dir_fd = -1;
    side->slots = FIRST_SLOTS;
    side->entries = calloc(FIRST_SLOTS, sizeof *side->entries);
    if (!side->entries || (path && open_file(side, path) < 0)) {
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
    prl_close_p(&side->dir_fd);
    free(side->entries);
    free(side);
}

bool prl_side_empty(struct prl_side *side)
{
    refresh(side);
    return side->used == side->none;
}

bool prl_side_get(const struct prl_side *side, const struct prl_side_key *key,
                  struct prl_claim *ret)
{
    const struct entry *entry = find(side->entries, side->slots, key);
    if (!entry->used || is_none(entry))
        return false;
    *ret = (struct prl_claim){.uid = entry->uid, .gid = entry->gid};
    return true;
}

int prl_side_put(struct prl_side *side, const struct prl_side_key *key,
                 const struct prl_claim *claim)
{
    char line[LINE_BYTES];
    struct prl_claim now = {0};
    refresh(side);
    prl_side_get(side, key, &now);
    if (now.uid == claim->uid && now.gid == claim->gid)
        return 0;
    int r = keep(side, key, claim->uid, claim->gid);
    if (r < 0 || side->fd < 0)
        return r;
    if (++side->lines > STALE_LINES + 2 * (side->used - side->none) && rewrite(side))
        return 0;
    const struct entry entry = {.key = *key, .uid = claim->uid, .gid = claim->gid};
    size_t len = format_line(line, &entry);
    struct stat st;
    r = prl_io_write_all(side->fd, line, len);
    if (r == 0 && fstat(side->fd, &st) == 0 && st.st_size == side->seen + (off_t)len)
        side->seen = st.st_size; /* else it is read with what another one wrote */
    if (r < 0)
        side->lines = SIZE_MAX / 2; /* what follows half a line would be lost with it */
    return r;
}
