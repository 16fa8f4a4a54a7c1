/* tree.c: removing a tree.
 * In: a directory descriptor and a name below it.  Out: 0, 1 (budget used up) or -errno.
 * Never: a path longer than one name, recursion, following a link, entering a mount, memory
 * that grows with the tree.
 *
 * The walk keeps at most DEPTH directories open.  What lies deeper is first moved up beside the
 * entries of the tree's top and removed from there, so that ten thousand levels cost no more
 * memory than sixteen, and nobody who moves directories about can lead the walk out through
 * "..". */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH = 16 };

struct level {
    DIR *dir;
    char name[NAME_MAX + 1]; /* of this directory in the level above */
    bool progress;           /* this pass over the directory removed something */
    bool vanished;           /* somebody else did */
};

struct walk {
    struct level levels[DEPTH];
    unsigned depth;    /* levels in use */
    unsigned moved;    /* counts names for what was moved up */
    unsigned patience; /* how often to read again because of somebody else's removals */
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

static int open_once(int dir_fd, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    long fd = prl_sys_openat2(dir_fd, name, (uint64_t)flags, 0,
                              PRL_RESOLVE_NO_XDEV | PRL_RESOLVE_NO_SYMLINKS);
    /* FALLBACK for openat2: st_dev alone then tells a mount; remove when kernel >= 5.6 is
     * required. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = openat(dir_fd, name, flags);
    return fd < 0 ? -errno : (int)fd;
}

/* A descriptor of a directory we may read, search and change, on the same mount; -errno. */
static int open_directory(int dir_fd, const char *name, struct stat *st)
{
    int fd = open_once(dir_fd, name);
    if (fd == -EACCES) {
        int r = make_passable(dir_fd, name);
        if (r < 0)
            return r;
        fd = open_once(dir_fd, name);
    }
    if (fd < 0)
        return fd;
    if (fstat(fd, st) < 0 || ((st->st_mode & 0700) != 0700 && fchmod(fd, 0700) < 0)) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
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
    level->dir = fdopendir(fd);
    if (!level->dir)
        return -errno;
    steal_fd(&fd);
    level->progress = level->vanished = false;
    memcpy(level->name, name, strlen(name) + 1);
    walk->depth++;
    return 0;
}

/* Move a directory that lies too deep up to the top of the tree, under a name nobody has there.
 */
static int move_up(struct walk *walk, int dir_fd, const char *name)
{
    int top_fd = dirfd(walk->levels[0].dir);
    for (bool passable = false;;) {
        char fresh[32];
        snprintf(fresh, sizeof fresh, ".deep-%u", walk->moved++);
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

/* One entry of the innermost directory. */
static void visit(struct walk *walk, const struct dirent *entry)
{
    struct level *level = &walk->levels[walk->depth - 1];
    int dir_fd = dirfd(level->dir);
    int r = remove_entry(dir_fd, entry->d_name, entry->d_type == DT_DIR);
    level->progress |= r == 0;
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

/* The innermost directory was read to its end: remove it from the level above.  Reading may
 * have skipped entries while others went away (or some were moved up meanwhile), so it is read
 * again as long as that helps. */
static void leave(struct walk *walk, int dir_fd)
{
    struct level *level = &walk->levels[walk->depth - 1];
    struct level *above = walk->depth > 1 ? &walk->levels[walk->depth - 2] : NULL;
    int r = remove_entry(above ? dirfd(above->dir) : dir_fd, level->name, true);
    if (level->vanished && walk->patience > 0) {
        walk->patience--;
        level->progress = true;
    }
    if (r == 1 && level->progress) {
        level->progress = level->vanished = false;
        rewinddir(level->dir);
        return;
    }
    if (above && r == 0)
        above->progress = true;
    else if (above && r == -ENOENT)
        above->vanished = true;
    if (r != -ENOENT)
        note(walk, r == 1 ? -ENOTEMPTY : r);
    closedir(level->dir);
    walk->depth--;
}

int prl_io_remove_tree_some(int dir_fd, const char *name, unsigned *budget)
{
    if (*budget == 0)
        return 1;
    (*budget)--;
    int r = remove_entry(dir_fd, name, false);
    if (r <= 0)
        return r == -ENOENT ? 0 : r;
    struct stat st;
    if (fstatat(dir_fd, ".", &st, 0) < 0)
        return -errno;
    struct walk walk = {.budget = budget, .device = st.st_dev, .patience = 64};
    if (strlen(name) > NAME_MAX)
        return -ENAMETOOLONG;
    r = push(&walk, dir_fd, name);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    while (walk.depth > 0 && *budget > 0) {
        errno = 0;
        const struct dirent *entry = readdir(walk.levels[walk.depth - 1].dir);
        if (!entry) {
            note(&walk, -errno);
            leave(&walk, dir_fd);
        } else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            visit(&walk, entry);
        }
    }
    bool unfinished = walk.depth > 0;
    while (walk.depth > 0)
        closedir(walk.levels[--walk.depth].dir);
    return walk.error < 0 ? walk.error : unfinished;
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
