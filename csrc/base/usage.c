/* usage.c: what a tree takes of the disk.
 * In: a directory descriptor and a name below it.  Out: bytes of allocated blocks.
 * Never: a hole counted, or a file twice because it has two names; following a link.
 *
 * Source: stat(3type), st_blocks. */
#include "base/usage.h"

#include "base/own.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 512, FIRST_ROOM = 64 };

struct file {
    dev_t device;
    ino_t inode; /* 0: the place is empty */
};

/* Files with several names that were counted: a table with open places, never full. */
struct seen {
    struct file *places;
    size_t room, used; /* room: a power of two, or 0 */
};

struct usage {
    DIR *levels[PRL_USAGE_DEPTH];
    unsigned depth; /* levels in use */
    struct seen seen;
    uint64_t bytes;
};

static struct file *seen_place(const struct seen *seen, const struct file *file)
{
    size_t at =
        ((size_t)file->inode * 0x9E3779B97F4A7C15u ^ (size_t)file->device) & (seen->room - 1);
    while (seen->places[at].inode != 0 &&
           (seen->places[at].inode != file->inode || seen->places[at].device != file->device))
        at = (at + 1) & (seen->room - 1);
    return &seen->places[at];
}

static int seen_grow(struct seen *seen)
{
    struct seen more = {.room = seen->room ? seen->room * 2 : FIRST_ROOM, .used = seen->used};
    more.places = calloc(more.room, sizeof *more.places);
    if (!more.places)
        return -ENOMEM;
    for (size_t i = 0; i < seen->room; i++)
        if (seen->places[i].inode != 0)
            *seen_place(&more, &seen->places[i]) = seen->places[i];
    free(seen->places);
    *seen = more;
    return 0;
}

/* 1: it was noted before; 0: now; -ENOMEM. */
static int seen_note(struct seen *seen, const struct stat *st)
{
    int r = seen->used * 2 >= seen->room ? seen_grow(seen) : 0;
    if (r < 0)
        return r;
    struct file file = {.device = st->st_dev, .inode = st->st_ino};
    struct file *place = seen_place(seen, &file);
    if (place->inode != 0)
        return 1;
    *place = file;
    seen->used++;
    return 0;
}

static void enter(struct usage *usage, int dir_fd, const char *name)
{
    if (usage->depth == PRL_USAGE_DEPTH)
        return;
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int fd = openat(dir_fd, name, flags);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return;
    steal_fd(&fd);
    usage->levels[usage->depth++] = dir;
}

static int count(struct usage *usage, int dir_fd, const char *name)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    bool directory = S_ISDIR(st.st_mode);
    int r = !directory && st.st_nlink > 1 ? seen_note(&usage->seen, &st) : 0;
    if (r == 0)
        usage->bytes += (uint64_t)st.st_blocks * BLOCK_BYTES;
    if (directory)
        enter(usage, dir_fd, name);
    return r < 0 ? r : 0;
}

int prl_usage_tree(int dir_fd, const char *name, uint64_t *ret_bytes)
{
    struct usage usage = {.depth = 0};
    int r = count(&usage, dir_fd, name);
    while (usage.depth > 0) {
        DIR *dir = usage.levels[usage.depth - 1];
        const struct dirent *entry = r < 0 ? NULL : readdir(dir);
        if (!entry) {
            closedir(dir);
            usage.depth--;
        } else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = count(&usage, dirfd(dir), entry->d_name);
    }
    free(usage.seen.places);
    *ret_bytes = usage.bytes;
    return r;
}
