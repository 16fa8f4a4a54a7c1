/* tree.c: removing a tree.
 * In: a directory descriptor and a name below it.  Out: 0, 1 (budget used up) or -errno.
 * Never: a path longer than one name, recursion, following a link, entering a mount, an
 * allocation (a copy of a process with threads may remove too, userns/remove.c).
 *
 * The walk keeps at most DEPTH directories open.  What is deeper is first moved up beside the
 * entries of the tree's top and removed from there.  So ten thousand levels need no more memory
 * than sixteen, and nobody who moves directories about can lead the walk out through "..". */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH = 16, PATIENCE = 256, READ_BYTES = 4096 };

struct level {
    int fd;
    unsigned next, filled; /* in `entries` */
    _Alignas(8) char entries[READ_BYTES];
    char name[NAME_MAX + 1]; /* of this directory in the level above */
    bool progress;           /* this pass over the directory removed something */
    bool vanished;           /* or somebody else did */
};

struct walk {
    struct level levels[DEPTH];
    unsigned depth;    /* levels in use */
    unsigned moved;    /* counts names for what was moved up */
    unsigned patience; /* readings in vain that are left, while somebody else removes too */
    unsigned *budget;
    dev_t device;
    int error; /* the first one; the walk goes on with what it can remove */
};

static void note(struct walk *walk, int error)
{
    if (walk->error == 0 && error < 0)
        walk->error = error;
}

/* A directory without rwx for us, as overlayfs leaves its work/work: chmod through a
 * descriptor, since chmod by name would follow a link put in its place. */
static int make_passable(int dir_fd, const char *name)
{
    char link[32];
    _cleanup_close_ int fd =
        openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || chmod(prl_sys_fd_path(fd, link), 0700) < 0)
        return -errno;
    return 0;
}

/* A directory that we may read, search and change; -errno. It is no mount point: rmdir, which
 * is tried on every directory first, would have answered EBUSY. */
static int open_directory(int dir_fd, const char *name, struct stat *st)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    _cleanup_close_ int fd = openat(dir_fd, name, flags);
    if (fd < 0 && errno == EACCES) {
        int r = make_passable(dir_fd, name);
        if (r < 0)
            return r;
        fd = openat(dir_fd, name, flags);
    }
    if (fd < 0 || fstat(fd, st) < 0)
        return -errno;
    if ((st->st_mode & 0700) != 0700 && fchmod(fd, 0700) < 0)
        return -errno;
    return steal_fd(&fd);
}

static int push(struct walk *walk, int dir_fd, const char *name)
{
    struct stat st;
    _cleanup_close_ int fd = open_directory(dir_fd, name, &st);
    if (fd < 0)
        return fd;
    if (st.st_dev != walk->device)
        return -EXDEV;
    struct level *level = &walk->levels[walk->depth];
    level->fd = steal_fd(&fd);
    level->next = level->filled = 0;
    level->progress = level->vanished = false;
    memcpy(level->name, name, strlen(name) + 1);
    walk->depth++;
    return 0;
}

/* Move a directory that lies too deep up to the top of the tree, under a name nobody has there.
 */
static int move_up(struct walk *walk, int dir_fd, const char *name)
{
    int top_fd = walk->levels[0].fd;
    for (bool passable = false;;) {
        char fresh[48];
        snprintf(fresh, sizeof fresh, ".deep-%d-%u", (int)getpid(), walk->moved++);
        if (renameat(dir_fd, name, top_fd, fresh) == 0) {
            walk->levels[0].progress = true;
            return 0;
        }
        if (errno == EACCES && !passable && make_passable(dir_fd, name) == 0)
            passable = true; /* a directory is moved only by who may write its ".." */
        else if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
            return -errno;
    }
}

/* 0: removed, 1: is a directory that must be emptied first, -errno. */
static int remove_entry(int dir_fd, const char *name, bool directory)
{
    if (!directory && unlinkat(dir_fd, name, 0) == 0)
        return 0;
    if (!directory && errno != EISDIR)
        return -errno;
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? 1 : -errno;
}

/* The next entry of a directory; NULL: the end (0) or a failure in *ret_error. */
static const struct prl_dirent *read_entry(struct level *level, int *ret_error)
{
    *ret_error = 0;
    if (level->next >= level->filled) {
        long n = prl_sys_getdents(level->fd, level->entries, sizeof level->entries);
        *ret_error = n < 0 && errno != ENOENT ? -errno : 0; /* removed by another: the end */
        level->next = 0;
        level->filled = n > 0 ? (unsigned)n : 0;
        if (n <= 0)
            return NULL;
    }
    const void *at = level->entries + level->next;
    const struct prl_dirent *entry = at;
    level->next += entry->d_reclen;
    return entry;
}

/* FUSE renames an open file that is removed to such a name, again and again: removing it is no
 * progress. (NFS answers EBUSY for its own such names.) */
static bool comes_back(const char *name)
{
    static const char prefix[] = ".fuse_hidden";
    return strncmp(name, prefix, sizeof prefix - 1) == 0;
}

/* One entry of the innermost directory. */
static void visit(struct walk *walk, const struct prl_dirent *entry)
{
    struct level *level = &walk->levels[walk->depth - 1];
    int dir_fd = level->fd;
    int r = remove_entry(dir_fd, entry->d_name, entry->d_type == DT_DIR);
    level->progress |= r == 0 && !comes_back(entry->d_name);
    if (r == 1 && walk->depth == DEPTH) {
        r = move_up(walk, dir_fd, entry->d_name);
        level->progress |= r == 0;
    } else if (r == 1) {
        r = push(walk, dir_fd, entry->d_name);
    }
    if (r == -ENOENT)
        level->vanished = true;
    else
        note(walk, r);
    (*walk->budget)--;
}

/* The directory is not empty yet. It is worth reading again if something was removed since it
 * was read from the start; at the top also if nothing in the tree could not be removed, because
 * then another remover is at work in it. */
static bool read_again(struct walk *walk)
{
    struct level *level = &walk->levels[walk->depth - 1];
    bool again = level->progress;
    if (again) {
        walk->patience = PATIENCE;
    } else if (walk->depth == 1 && (level->vanished || walk->error == 0) &&
               walk->patience > 0) {
        walk->patience--;
        again = true;
        sched_yield();
    }
    level->progress = level->vanished = false;
    return again;
}

/* The innermost directory was read to its end: remove it from the level above. A failure was
 * noted earlier, or is due to another remover (this directory may even have been moved, and
 * another one have its name): then the levels above are read again. */
static void leave(struct walk *walk, int dir_fd)
{
    struct level *level = &walk->levels[walk->depth - 1];
    struct level *above = walk->depth > 1 ? &walk->levels[walk->depth - 2] : NULL;
    int r = remove_entry(above ? above->fd : dir_fd, level->name, true);
    if (r == 1 && read_again(walk)) {
        lseek(level->fd, 0, SEEK_SET);
        level->next = level->filled = 0;
        return;
    }
    if (above && r == 0)
        above->progress = true;
    else if (above && (r == -ENOENT || r == 1))
        above->vanished = true;
    else if (r != -ENOENT)
        note(walk, r == 1 ? -ENOTEMPTY : r);
    prl_close_p(&level->fd);
    walk->depth--;
}

static int remove_directory(int dir_fd, const char *name, unsigned *budget)
{
    struct stat st;
    if (strlen(name) > NAME_MAX)
        return -ENAMETOOLONG;
    if (fstatat(dir_fd, ".", &st, 0) < 0)
        return -errno;
    struct walk walk; /* large: the levels are filled as they come */
    walk.depth = walk.moved = 0;
    walk.patience = PATIENCE;
    walk.budget = budget;
    walk.device = st.st_dev;
    walk.error = 0;
    int r = push(&walk, dir_fd, name);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    while (walk.depth > 0 && *budget > 0) {
        int error;
        const struct prl_dirent *entry = read_entry(&walk.levels[walk.depth - 1], &error);
        if (!entry) {
            note(&walk, error);
            leave(&walk, dir_fd);
        } else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            visit(&walk, entry);
        }
    }
    bool unfinished = walk.depth > 0;
    while (walk.depth > 0)
        prl_close_p(&walk.levels[--walk.depth].fd);
    return walk.error < 0 ? walk.error : unfinished;
}

int prl_io_remove_tree_some(int dir_fd, const char *name, unsigned *budget)
{
    const char *slash = strrchr(name, '/');
    if (slash) {
        /* "a/b/c": the tree is c below a/b. */
        char parent[PATH_MAX];
        size_t len = slash == name ? 1 : (size_t)(slash - name);
        if (len >= sizeof parent)
            return -ENAMETOOLONG;
        memcpy(parent, name, len);
        parent[len] = '\0';
        _cleanup_close_ int fd = openat(dir_fd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return errno == ENOENT ? 0 : -errno;
        return prl_io_remove_tree_some(fd, slash + 1, budget);
    }
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    if (*budget == 0)
        return 1;
    (*budget)--;
    int r = remove_entry(dir_fd, name, false);
    if (r == 1)
        return remove_directory(dir_fd, name, budget);
    return r == -ENOENT ? 0 : r;
}

int prl_io_remove_tree(int dir_fd, const char *name)
{
    for (;;) {
        unsigned budget = UINT_MAX;
        int r = prl_io_remove_tree_some(dir_fd, name, &budget);
        if (r != 1)
            return r;
    }
}
