/* copy.c: a volume on its first use gets what the image has at its place.
 * In: the root before anything is mounted in it, the volume's directory.  Out: the same files
 * in it, with owners, modes, times and attributes.  Never: a link followed, a path above either
 * directory, a device made, an allocation but one mapping.
 *
 * Here, because here the owners of the image's files are what the program will see, and ours to
 * give: under a map of many ids by chown(2), under one id as attributes (docs/fake-root.md). */
#include "launch/steps/setup.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { DEPTH = 128, READ_BYTES = 4096, XATTR_BYTES = 64 * 1024, CHUNK_BYTES = 1 << 30 };

/* One directory under way. */
struct level {
    int from_fd, to_fd;
    unsigned next, filled; /* in `entries` */
    _Alignas(8) char entries[READ_BYTES];
};

struct copy {
    struct level levels[DEPTH];
    size_t depth; /* levels in use */
    char names[XATTR_BYTES], value[XATTR_BYTES], text[PATH_MAX];
    char failed[NAME_MAX + 1]; /* on what */
};

/* A user's attribute is part of the file, the fake root's claim of an owner among them; of the
 * others the kernel decides which it lets us set. */
static int PRL_CHILD_SAFE copy_attributes(struct copy *copy, int from_fd, int to_fd)
{
    ssize_t len = flistxattr(from_fd, copy->names, sizeof copy->names);
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(copy->names + at) + 1) {
        const char *name = copy->names + at;
        ssize_t size = fgetxattr(from_fd, name, copy->value, sizeof copy->value);
        if (size < 0 || fsetxattr(to_fd, name, copy->value, (size_t)size, 0) == 0)
            continue;
        if (strncmp(name, "user.", 5) == 0)
            return -1;
    }
    return 0;
}

/* An owner that has no id here stays ours: EINVAL. */
static int PRL_CHILD_SAFE copy_facts(struct copy *copy, int from_fd, int to_fd,
                                     const struct stat *st)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (fchown(to_fd, st->st_uid, st->st_gid) < 0 && errno != EINVAL)
        return -1;
    if (fchmod(to_fd, st->st_mode & 07777) < 0 || copy_attributes(copy, from_fd, to_fd) < 0)
        return -1;
    return futimens(to_fd, times);
}

static int PRL_CHILD_SAFE copy_bytes(int from_fd, int to_fd)
{
    bool ranges = true; /* FALLBACK: sendfile, where the two file systems cannot do it */
    for (bool some = false;; some = true) {
        ssize_t n = ranges ? copy_file_range(from_fd, NULL, to_fd, NULL, CHUNK_BYTES, 0)
                           : sendfile(to_fd, from_fd, NULL, CHUNK_BYTES);
        if (n > 0 || (n < 0 && errno == EINTR))
            continue;
        if (!ranges || (n == 0 && some))
            return (int)n;
        ranges = false;
    }
}

static int PRL_CHILD_SAFE copy_file(struct copy *copy, const struct level *at, const char *name,
                                    const struct stat *st)
{
    _cleanup_close_ int from_fd =
        openat(at->from_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    _cleanup_close_ int to_fd =
        from_fd < 0 ? -1
                    : openat(at->to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to_fd < 0 || copy_bytes(from_fd, to_fd) < 0)
        return -1;
    return copy_facts(copy, from_fd, to_fd, st);
}

/* A link, a FIFO, a socket: what has no content and takes no attribute. */
static int PRL_CHILD_SAFE copy_node(struct copy *copy, const struct level *at, const char *name,
                                    const struct stat *st)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    bool link = S_ISLNK(st->st_mode);
    ssize_t n = link ? readlinkat(at->from_fd, name, copy->text, sizeof copy->text - 1) : 0;
    if (n < 0)
        return -1;
    copy->text[n] = '\0';
    if ((link ? symlinkat(copy->text, at->to_fd, name)
              : mknodat(at->to_fd, name, st->st_mode & (S_IFMT | 07777), 0)) < 0)
        return -1;
    if (fchownat(at->to_fd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
        errno != EINVAL)
        return -1;
    if (!link && fchmodat(at->to_fd, name, st->st_mode & 07777, 0) < 0)
        return -1;
    return utimensat(at->to_fd, name, times, AT_SYMLINK_NOFOLLOW);
}

static int PRL_CHILD_SAFE push(struct copy *copy, int from_fd, int to_fd)
{
    if (from_fd < 0 || to_fd < 0)
        return -1;
    struct level *level = &copy->levels[copy->depth++];
    level->from_fd = from_fd;
    level->to_fd = to_fd;
    level->next = level->filled = 0;
    return 0;
}

static int PRL_CHILD_SAFE enter(struct copy *copy, const struct level *at, const char *name)
{
    static const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    errno = E2BIG;
    if (copy->depth == DEPTH || (mkdirat(at->to_fd, name, 0700) < 0 && errno != EEXIST))
        return -1;
    _cleanup_close_ int from_fd = openat(at->from_fd, name, how);
    _cleanup_close_ int to_fd = openat(at->to_fd, name, how);
    if (push(copy, from_fd, to_fd) < 0)
        return -1;
    (void)steal_fd(&from_fd);
    (void)steal_fd(&to_fd);
    return 0;
}

static int PRL_CHILD_SAFE copy_entry(struct copy *copy, const char *name)
{
    const struct level *at = &copy->levels[copy->depth - 1];
    struct stat st;
    size_t len = strlen(name);
    memcpy(copy->failed, name, len < NAME_MAX ? len + 1 : NAME_MAX);
    if (fstatat(at->from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISDIR(st.st_mode))
        return enter(copy, at, name);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
        return 0; /* nobody but the host's root makes one */
    if (unlinkat(at->to_fd, name, 0) < 0 && errno != ENOENT) /* of a copy that was broken off */
        return -1;
    return S_ISREG(st.st_mode) ? copy_file(copy, at, name, &st)
                               : copy_node(copy, at, name, &st);
}

/* The innermost directory is copied: its own facts come last, since its entries change them. */
static int PRL_CHILD_SAFE leave(struct copy *copy)
{
    struct level *level = &copy->levels[copy->depth - 1];
    struct stat st;
    int r = fstat(level->from_fd, &st) < 0
                ? -1
                : copy_facts(copy, level->from_fd, level->to_fd, &st);
    int before = errno;
    close(level->from_fd);
    close(level->to_fd);
    errno = before;
    copy->depth--;
    return r;
}

static const struct prl_dirent *PRL_CHILD_SAFE next_entry(struct level *level, long *ret)
{
    *ret = 0;
    if (level->next >= level->filled) {
        *ret = prl_sys_getdents(level->from_fd, level->entries, sizeof level->entries);
        level->next = 0;
        level->filled = *ret > 0 ? (unsigned)*ret : 0;
        if (*ret <= 0)
            return NULL;
    }
    const void *at = level->entries + level->next;
    const struct prl_dirent *entry = at;
    level->next += entry->d_reclen;
    return entry;
}

static int PRL_CHILD_SAFE copy_all(struct copy *copy)
{
    int r = 0;
    while (r == 0 && copy->depth > 0) {
        long n;
        const struct prl_dirent *entry = next_entry(&copy->levels[copy->depth - 1], &n);
        if (n < 0)
            r = -1;
        else if (!entry)
            r = leave(copy);
        else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = copy_entry(copy, entry->d_name);
    }
    int before = errno;
    for (; copy->depth > 0; copy->depth--) {
        close(copy->levels[copy->depth - 1].from_fd);
        close(copy->levels[copy->depth - 1].to_fd);
    }
    errno = before;
    return r;
}

/* Where the image has nothing the directory belongs to the container's root. */
static int PRL_CHILD_SAFE take_over(int to_fd)
{
    struct stat st;
    if (fstat(to_fd, &st) == 0 && (st.st_uid || st.st_gid) && fchown(to_fd, 0, 0) < 0 &&
        errno != EPERM)
        return -1;
    return 0;
}

static int PRL_CHILD_SAFE copy_tree(int from_fd, int to_fd, struct prl_error *reterr)
{
    struct copy *copy = mmap(NULL, sizeof *copy, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (copy == MAP_FAILED)
        return prl_fail(reterr, PRL_STAGE_VOLUMES, "mmap", "copy");
    copy->depth = 0;
    (void)push(copy, from_fd, to_fd);
    int r = copy_all(copy) < 0 ? prl_fail(reterr, PRL_STAGE_VOLUMES, "copy", copy->failed) : 0;
    munmap(copy, sizeof *copy);
    return r;
}

static int PRL_CHILD_SAFE fill(struct prl_setup *s, const struct prl_volume *volume,
                               int source_fd, struct prl_error *reterr)
{
    static const int how = O_RDONLY | O_DIRECTORY;
    _cleanup_close_ int to_fd = openat(source_fd, ".", how | O_CLOEXEC);
    if (to_fd < 0)
        return prl_fail(reterr, PRL_STAGE_VOLUMES, "open", volume->name);
    _cleanup_close_ int from_fd = prl_sys_open_in_root(s->root_fd, volume->destination, how);
    if (from_fd < 0 && errno != ENOENT && errno != ENOTDIR)
        return prl_fail(reterr, PRL_STAGE_VOLUMES, "open", volume->destination);
    int r = 0;
    if (from_fd >= 0)
        r = copy_tree(steal_fd(&from_fd), steal_fd(&to_fd), reterr);
    else if (take_over(to_fd) < 0)
        r = prl_fail(reterr, PRL_STAGE_VOLUMES, "chown", volume->name);
    if (r == 0 && unlinkat(source_fd, "../filling", 0) < 0 && errno != ENOENT)
        r = prl_fail(reterr, PRL_STAGE_VOLUMES, "unlink", volume->name);
    return r;
}

int PRL_CHILD_SAFE prl_volumes_fill(struct prl_setup *s, struct prl_error *reterr)
{
    const struct prl_spec *spec = s->spec;
    for (size_t i = 0; i < spec->volumes_len; i++) {
        const struct prl_volume *volume = &spec->volumes[i];
        for (size_t m = 0; volume->fill && m < spec->mounts_len; m++) {
            bool its = spec->mounts[m].bind &&
                       strcmp(spec->mounts[m].destination, volume->destination) == 0;
            int r = its ? fill(s, volume, s->source_fds[m], reterr) : 0;
            if (r < 0)
                return r;
        }
    }
    return 0;
}
