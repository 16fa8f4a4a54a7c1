/* place.c: mounting onto descriptors.
 * In: descriptors of targets inside the new root.  Out: a mount on them.  Never: a target given
 * as a host path. Source: open_tree(2), move_mount(2), mount_setattr(2), mount(2). */
#include "launch/steps/filesystem/place.h"

#include "base/own.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { LINKS_MAX = 8 }; /* that lead one to the other, and the last nowhere */

/* What is before the last "/" into parent; returns what is behind it, NULL when it is too long.
 */
static const char *split(const char *path, char parent[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(parent, path, len);
    parent[len] = '\0';
    return slash ? slash + 1 : path;
}

/* Open the directory that will hold the last component of path; *ret_name points at that
 * component. */
static int open_parent(int root_fd, const char *path, bool no_links, const char **ret_name)
{
    char parent[PATH_MAX];
    *ret_name = split(path, parent);
    if (!*ret_name)
        return -1;
    const char *where = parent[0] ? parent : "/";
    return no_links ? prl_sys_open_in_root_nofollow(root_fd, where, O_PATH | O_DIRECTORY)
                    : prl_sys_open_in_root(root_fd, where, O_PATH | O_DIRECTORY);
}

static int open_existing(int root_fd, const char *path, bool no_links)
{
    return no_links ? prl_sys_open_in_root_nofollow(root_fd, path, O_PATH)
                    : prl_sys_open_in_root(root_fd, path, O_PATH);
}

/* Make the missing directories of path, from the first component on. */
static int make_directories(int root_fd, const char *path, bool no_links)
{
    char prefix[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof prefix) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(prefix, path, i);
        prefix[i] = '\0';
        _cleanup_close_ int have = open_existing(root_fd, prefix, no_links);
        if (have >= 0)
            continue;
        if (errno != ENOENT)
            return -1;
        const char *name;
        _cleanup_close_ int parent = open_parent(root_fd, prefix, no_links, &name);
        if (parent < 0 || (mkdirat(parent, name, 0755) < 0 && errno != EEXIST))
            return -1;
    }
    return 0;
}

static int make_file(int root_fd, const char *path, bool no_links)
{
    char parent[PATH_MAX];
    const char *name = split(path, parent);
    if (!name || (parent[0] && make_directories(root_fd, parent, no_links) < 0))
        return -1;
    _cleanup_close_ int dir = open_parent(root_fd, path, no_links, &name);
    if (dir < 0)
        return -1;
    _cleanup_close_ int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd < 0 && errno != EEXIST ? -1 : 0;
}

/* The usual case: its directory is there. What this call makes is no link; what somebody else
 * made meanwhile is looked up from the root like anything else. */
static int make_last(int root_fd, const char *path, bool directory, bool no_links)
{
    const char *name;
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int parent = open_parent(root_fd, path, no_links, &name);
    if (parent < 0)
        return -1;
    _cleanup_close_ int file = directory ? -1 : openat(parent, name, flags, 0644);
    bool made = directory ? mkdirat(parent, name, 0755) == 0 : file >= 0;
    if (!made && errno != EEXIST)
        return -1;
    return made ? prl_sys_open_in_root_nofollow(parent, name, O_PATH)
                : open_existing(root_fd, path, no_links);
}

int PRL_CHILD_SAFE prl_place_target(int root_fd, const char *path, bool directory,
                                    bool no_links)
{
    int fd = open_existing(root_fd, path, no_links);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = make_last(root_fd, path, directory, no_links);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if ((directory ? make_directories(root_fd, path, no_links)
                   : make_file(root_fd, path, no_links)) < 0)
        return -1;
    return open_existing(root_fd, path, no_links);
}

/* Where the link `path` leads, as a path from the root; false: it is none, or too long. */
static bool follow(int root_fd, const char *path, char next[PATH_MAX])
{
    const char *name;
    _cleanup_close_ int parent = open_parent(root_fd, path, false, &name);
    size_t before = (size_t)(name ? name - path : 0);
    char text[PATH_MAX];
    ssize_t n = parent < 0 ? -1 : readlinkat(parent, name, text, sizeof text);
    if (n <= 0 || (size_t)n >= sizeof text)
        return false;
    if (text[0] == '/')
        before = 0;
    if (before + (size_t)n >= PATH_MAX)
        return false;
    memcpy(next, path, before);
    memcpy(next + before, text, (size_t)n);
    next[before + (size_t)n] = '\0';
    return true;
}

int PRL_CHILD_SAFE prl_place_target_of_links(int root_fd, const char *path)
{
    char at[PATH_MAX], next[PATH_MAX];
    int fd = prl_place_target(root_fd, path, false, false);
    for (int links = 0; fd < 0 && errno == ENOENT && links < LINKS_MAX; links++) {
        if (!follow(root_fd, links ? at : path, next)) {
            errno = ENOENT;
            return -1;
        }
        memcpy(at, next, sizeof at);
        fd = prl_place_target(root_fd, at, false, false);
    }
    return fd;
}

const char *PRL_CHILD_SAFE prl_place_name(const char *tree, const char *path)
{
    size_t len = strlen(tree);
    const char *name = strncmp(path, tree, len) == 0 && path[len] == '/' ? path + len + 1 : "";
    return *name && *name != '.' && !strchr(name, '/') ? name : NULL;
}

/* The mount (tree) at `source`, or at the descriptor, cloned. */
static int PRL_CHILD_SAFE clone_tree(int dir_fd, const char *source, bool recursive)
{
    unsigned flags = PRL_OPEN_TREE_CLONE | PRL_OPEN_TREE_CLOEXEC |
                     (recursive ? PRL_AT_RECURSIVE : 0) | (source ? 0 : AT_EMPTY_PATH);
    return prl_sys_open_tree(dir_fd, source ? source : "", flags);
}

static int set_attributes(int tree_fd, bool recursive, const struct prl_place_attr *attr)
{
    uint64_t propagation =
        attr->propagation ? attr->propagation & ~(uint64_t)MS_REC : MS_PRIVATE;
    if (!recursive) /* one mount, one call */
        return prl_sys_mount_setattr(tree_fd, 0, attr->set | attr->set_recursive, 0,
                                     propagation);
    if (prl_sys_mount_setattr(tree_fd, PRL_AT_RECURSIVE, attr->set_recursive, 0, propagation) <
        0)
        return -1;
    uint64_t top = attr->set & ~attr->set_recursive;
    return top ? prl_sys_mount_setattr(tree_fd, 0, top, 0, 0) : 0;
}

unsigned long PRL_CHILD_SAFE prl_place_flags(uint64_t attr)
{
    return (attr & MOUNT_ATTR_RDONLY ? MS_RDONLY : 0) |
           (attr & MOUNT_ATTR_NOSUID ? MS_NOSUID : 0) |
           (attr & MOUNT_ATTR_NODEV ? MS_NODEV : 0) |
           (attr & MOUNT_ATTR_NOEXEC ? MS_NOEXEC : 0) |
           ((attr & MOUNT_ATTR__ATIME) == MOUNT_ATTR_NOATIME ? MS_NOATIME : 0) |
           ((attr & MOUNT_ATTR__ATIME) == MOUNT_ATTR_STRICTATIME ? MS_STRICTATIME : 0) |
           (attr & MOUNT_ATTR_NODIRATIME ? MS_NODIRATIME : 0) |
           (attr & MOUNT_ATTR_NOSYMFOLLOW ? MS_NOSYMFOLLOW : 0);
}

/* In a user namespace, flags that came with the source are locked: a remount must repeat
 * them. */
static unsigned long flags_now(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return 0;
    unsigned long keep =
        MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME;
    return ((unsigned long)fs.f_flags & keep) | ((fs.f_flags & 4096) ? MS_RELATIME : 0);
}

/* FALLBACK: remove when kernel >= 5.12 (mount_setattr) is required. mount(2) changes only the
 * top mount, so a tree that should be read-only is bound without what is mounted on it (EINVAL
 * if the kernel locks the two together). */
static int bind_old(int dir_fd, const char *source, bool recursive,
                    const struct prl_place_attr *attr, int target_fd)
{
    char from[32], to[32];
    _cleanup_close_ int source_fd =
        source ? openat(dir_fd, source, O_PATH | O_CLOEXEC) : dup(dir_fd);
    if (source_fd < 0)
        return -1;
    bool deep = recursive && !attr->set_recursive;
    prl_sys_fd_path(source_fd, from);
    prl_sys_fd_path(target_fd, to);
    if (mount(from, to, NULL, MS_BIND | (deep ? MS_REC : 0), NULL) < 0)
        return -1;
    /* The descriptor still names what lies beneath the new mount; find the mount through its
     * parent directory. */
    char path[PATH_MAX];
    ssize_t n = readlinkat(AT_FDCWD, to, path, sizeof path - 1);
    if (n < 0)
        return -1;
    path[n] = '\0';
    _cleanup_close_ int placed = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    struct stat a, b;
    if (placed < 0 || fstat(placed, &a) < 0 || fstat(source_fd, &b) < 0)
        return -1;
    if (a.st_dev != b.st_dev || a.st_ino != b.st_ino) {
        errno = ESTALE;
        return -1;
    }
    prl_sys_fd_path(placed, to);
    unsigned long flags = prl_place_flags(attr->set | attr->set_recursive);
    if (flags &&
        mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | flags | flags_now(placed), NULL) < 0)
        return -1;
    unsigned long propagation = attr->propagation ? attr->propagation : MS_PRIVATE | MS_REC;
    return mount(NULL, to, NULL, propagation, NULL);
}

int PRL_CHILD_SAFE prl_place_tree(int tree_fd, bool recursive,
                                  const struct prl_place_attr *attr, int target_fd,
                                  const char *name)
{
    return set_attributes(tree_fd, recursive, attr) < 0
               ? -1
               : prl_sys_move_mount(tree_fd, target_fd, name);
}

int PRL_CHILD_SAFE prl_place_bind(int dir_fd, const char *source, bool recursive,
                                  const struct prl_place_attr *attr, int target_fd)
{
    _cleanup_close_ int tree = clone_tree(dir_fd, source, recursive);
    if (tree < 0 && errno != ENOSYS)
        return -1;
    if (tree >= 0 && prl_place_tree(tree, recursive, attr, target_fd, "") == 0)
        return 0;
    if (errno != ENOSYS)
        return -1;
    return bind_old(dir_fd, source, recursive, attr, target_fd);
}

int PRL_CHILD_SAFE prl_place_again(int mount_fd, int target_fd, const char *name)
{
    _cleanup_close_ int tree = clone_tree(mount_fd, NULL, false);
    return tree < 0 ? -1 : prl_sys_move_mount(tree, target_fd, name);
}

int PRL_CHILD_SAFE prl_place_fs(const char *type, int target_fd, unsigned long flags,
                                const char *data)
{
    char to[32];
    return mount(type, prl_sys_fd_path(target_fd, to), type, flags, data);
}

int PRL_CHILD_SAFE prl_place_fs_new(const char *type, int dir_fd, const char *name,
                                    unsigned long flags, const char *data)
{
    char to[32 + NAME_MAX + 1];
    size_t len = strlen(name);
    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (mkdirat(dir_fd, name, 0755) < 0)
        return -1;
    char *end = to + strlen(prl_sys_fd_path(dir_fd, to));
    *end = '/';
    memcpy(end + 1, name, len + 1);
    return mount(type, to, type, flags, data);
}
