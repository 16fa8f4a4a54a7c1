/* walk.c: opening a path as the container would see it.
 * In: a descriptor of the container's root, a path.  Out: a descriptor inside that root.
 * Never: leaving the root, whatever links the tree holds; allocation. */
#include "base/sys.h"

#include "base/own.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40, DEPTH_MAX = 64 };

long prl_sys_openat2(int dir_fd, const char *path, uint64_t flags, uint64_t mode,
                     uint64_t resolve)
{
    struct prl_open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
}

/* The walk keeps the descriptors from the root down to its place. So ".." is a step back in
 * this list and never a question to the kernel: a directory that is moved meanwhile cannot lead
 * out. */
struct walk {
    int fds[DEPTH_MAX]; /* fds[0] is the caller's root, never closed */
    int depth;
    int links;
    bool no_links; /* a link anywhere is ELOOP */
    char rest[2 * PATH_MAX];
};

static void walk_up_to(struct walk *w, int depth)
{
    while (w->depth > depth)
        close(w->fds[w->depth--]);
}

/* Put the target of the link open at link_fd before what is left of the path. */
static int walk_enter_link(struct walk *w, int link_fd, const char *rest)
{
    char target[PATH_MAX + 1];
    ssize_t n = readlinkat(link_fd, "", target, sizeof target - 1);
    size_t rest_len = strlen(rest);
    if (n < 0)
        return -1;
    if (w->no_links || ++w->links > LINKS_MAX) {
        errno = ELOOP;
        return -1;
    }
    if ((size_t)n + 1 + rest_len + 1 > sizeof w->rest) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memmove(w->rest + n + 1, rest, rest_len + 1);
    memcpy(w->rest, target, (size_t)n);
    w->rest[n] = '/';
    if (target[0] == '/')
        walk_up_to(w, 0);
    return 0;
}

/* One component; last with flags of the caller.  0: went on; 1: *ret_fd is the answer; -1:
 * errno. */
static int walk_step(struct walk *w, char *name, const char *rest, int flags, int *ret_fd)
{
    bool last = rest[strspn(rest, "/")] == '\0';
    if (strcmp(name, "..") == 0) {
        walk_up_to(w, w->depth > 0 ? w->depth - 1 : 0);
        return 0;
    }
    _cleanup_close_ int fd = openat(w->fds[w->depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (S_ISLNK(st.st_mode) && !(last && (flags & O_NOFOLLOW)))
        return walk_enter_link(w, fd, rest);
    if (last && !S_ISDIR(st.st_mode)) {
        /* Not a directory: open by name again unless the path itself was wanted; the name
         * cannot become a link unseen, O_NOFOLLOW makes that an error. */
        *ret_fd = (flags & O_PATH)
                      ? steal_fd(&fd)
                      : openat(w->fds[w->depth], name, flags | O_NOFOLLOW | O_CLOEXEC);
        return *ret_fd < 0 ? -1 : 1;
    }
    if (!S_ISDIR(st.st_mode) || w->depth + 1 >= DEPTH_MAX) {
        errno = S_ISDIR(st.st_mode) ? ENAMETOOLONG : ENOTDIR;
        return -1;
    }
    w->fds[++w->depth] = steal_fd(&fd);
    return 0;
}

/* FALLBACK: remove when kernel >= 5.6 (openat2) is required. */
static int walk_components(int root_fd, const char *path, int flags, bool no_links)
{
    struct walk w = {.fds = {root_fd}, .no_links = no_links};
    if (strlen(path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(w.rest, path, strlen(path) + 1);
    int r = 0, found = -1;
    char name[NAME_MAX + 1];
    while (r == 0) {
        char *p = w.rest + strspn(w.rest, "/");
        size_t len = strcspn(p, "/");
        if (len == 0)
            break;
        if (len > NAME_MAX) {
            errno = ENAMETOOLONG;
            r = -1;
            break;
        }
        memcpy(name, p, len);
        name[len] = '\0';
        memmove(w.rest, p + len, strlen(p + len) + 1);
        if (strcmp(name, ".") != 0)
            r = walk_step(&w, name, w.rest, flags, &found);
    }
    if (r == 0) { /* ended on a directory that the walk holds */
        found = openat(w.fds[w.depth], ".", flags | O_CLOEXEC | O_NOFOLLOW);
        r = found < 0 ? -1 : 1;
    }
    int saved = errno;
    walk_up_to(&w, 0);
    errno = saved;
    return r < 0 ? -1 : found;
}

static int open_in_root(int root_fd, const char *path, int flags, uint64_t resolve)
{
    long fd = -1;
    for (int tries = 0; tries < 32; tries++) {
        fd = prl_sys_openat2(root_fd, path, (uint64_t)(unsigned)flags | O_CLOEXEC, 0, resolve);
        if (fd >= 0 || errno != EAGAIN) /* EAGAIN: something was renamed meanwhile */
            break;
    }
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
        return (int)fd;
    return walk_components(root_fd, path, flags, resolve & PRL_RESOLVE_NO_SYMLINKS);
}

int prl_sys_open_in_root(int root_fd, const char *path, int flags)
{
    return open_in_root(root_fd, path, flags, PRL_RESOLVE_IN_ROOT | PRL_RESOLVE_NO_MAGICLINKS);
}

int prl_sys_open_in_root_nofollow(int root_fd, const char *path, int flags)
{
    return open_in_root(root_fd, path, flags,
                        PRL_RESOLVE_IN_ROOT | PRL_RESOLVE_NO_MAGICLINKS |
                            PRL_RESOLVE_NO_SYMLINKS);
}
