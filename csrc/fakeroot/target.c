/* target.c: memory, paths and ids of the process whose call is being answered; see target.h.
 * In, out: as there.  Never: a magic link followed, but those of /proc/PID for the target's own
 * root, working directory and descriptors.
 *
 * Source: seccomp_unotify(2), process_vm_readv(2), openat2(2), proc(5), getrlimit(2). */
#include "fakeroot/target.h"

#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/xattr.h>

/* MAGIC (16 bits), tag (32), index (16). */
#define IDS_MAGIC      (0x7072ull << 48)
#define IDS_VALUE(tag) (IDS_MAGIC | (uint64_t)(tag) << 16)
#define IDS_INDEX      0xffffull

enum { STATUS_MAX_BYTES = 1 << 20, PIECE_BYTES = 256 };

int prl_target_begin(void)
{
    int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fchdir(fd) < 0)
        return -errno;
    if (fd == PRL_TARGET_PROC_FD)
        return 0;
    int moved = dup3(fd, PRL_TARGET_PROC_FD, O_CLOEXEC);
    close(fd);
    return moved < 0 ? -errno : 0;
}

bool prl_target_alive(const struct prl_target *target)
{
    uint64_t id = target->id;
    return ioctl(target->listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

int prl_target_read(const struct prl_target *target, uint64_t address, void *buf, size_t len)
{
    struct iovec here = {buf, len}, there = {(void *)(uintptr_t)address, len};
    return process_vm_readv(target->pid, &here, 1, &there, 1, 0) == (ssize_t)len ? 0 : -EFAULT;
}

int prl_target_write(const struct prl_target *target, uint64_t address, const void *data,
                     size_t len)
{
    struct iovec here = {(void *)data, len}, there = {(void *)(uintptr_t)address, len};
    return process_vm_writev(target->pid, &here, 1, &there, 1, 0) == (ssize_t)len ? 0 : -EFAULT;
}

/* In pieces that end at multiples of their size, so that none touches a page that the text does
 * not reach. */
int prl_target_path(const struct prl_target *target, uint64_t address, char *buf)
{
    for (size_t have = 0; have < PATH_MAX;) {
        size_t piece = PIECE_BYTES - (address + have) % PIECE_BYTES;
        if (piece > PATH_MAX - have)
            piece = PATH_MAX - have;
        int r = prl_target_read(target, address + have, buf + have, piece);
        if (r < 0)
            return r;
        if (memchr(buf + have, '\0', piece))
            return 0;
        have += piece;
    }
    return -ENAMETOOLONG;
}

static int open_own(const struct prl_target *target, const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", (int)target->pid, what);
    int fd = open(path, O_PATH | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int open_descriptor(const struct prl_target *target, int fd)
{
    char name[32];
    if (fd == AT_FDCWD)
        return open_own(target, "cwd");
    snprintf(name, sizeof name, "fd/%d", fd);
    int r = fd < 0 ? -EBADF : open_own(target, name);
    return r == -ENOENT ? -EBADF : r;
}

/* The descriptor that a path names by way of /proc/self/fd, or -1.  The link itself would be
 * a magic one, of this process. */
static int named_descriptor(const char *path)
{
    static const char standard[][12] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    int fd;
    char more;
    for (int i = 0; i < 3; i++)
        if (strcmp(path, standard[i]) == 0)
            return i;
    if (sscanf(path, "/proc/self/fd/%9d%c", &fd, &more) == 1 ||
        sscanf(path, "/proc/thread-self/fd/%9d%c", &fd, &more) == 1 ||
        sscanf(path, "/dev/fd/%9d%c", &fd, &more) == 1)
        return fd;
    return -1;
}

/* With the target's root as our own, every link and every ".." means the same as for the
 * target. */
static int open_path(const struct prl_target *target, int dir_fd, const char *path, int flags)
{
    char root[32];
    _cleanup_close_ int base = -1;
    uint64_t how = O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
    if (path[0] != '/') {
        base = open_descriptor(target, dir_fd);
        if (base < 0)
            return base;
    }
    snprintf(root, sizeof root, "%d/root", (int)target->pid);
    if (chroot(root) < 0)
        return -errno;
    long fd = prl_sys_openat2(base, path, how, 0, PRL_RESOLVE_NO_MAGICLINKS);
    return fd < 0 ? -errno : (int)fd;
}

int prl_target_open(const struct prl_target *target, int dir_fd, const char *path, int flags)
{
    int named = flags & AT_SYMLINK_NOFOLLOW ? -1 : named_descriptor(path);
    if (path[0] == '\0')
        return flags & AT_EMPTY_PATH ? open_descriptor(target, dir_fd) : -ENOENT;
    if (named >= 0)
        return open_descriptor(target, named);
    return open_path(target, dir_fd, path, flags);
}

/* Where a relative path starts: "PID/cwd" or "PID/fd/N". */
static void base_name(const struct prl_target *target, int dir_fd, char buf[64])
{
    if (dir_fd == AT_FDCWD)
        snprintf(buf, 64, "%d/cwd", (int)target->pid);
    else
        snprintf(buf, 64, "%d/fd/%d", (int)target->pid, dir_fd);
}

bool prl_target_glance(const struct prl_target *target, int dir_fd, const char *path, int flags,
                       const char *attribute)
{
    char base[64], root[32], value[64];
    int named = flags & AT_SYMLINK_NOFOLLOW ? -1 : named_descriptor(path);
    bool link = flags & AT_SYMLINK_NOFOLLOW, relative = path[0] != '/';
    base_name(target, named >= 0 ? named : dir_fd, base);
    if (path[0] == '\0' || named >= 0)
        return getxattr(base, attribute, value, sizeof value) >= 0 || errno == ERANGE;
    snprintf(root, sizeof root, "%d/root", (int)target->pid);
    if (chroot(root) < 0 || (relative && chdir(base) < 0))
        return false;
    ssize_t n = link ? lgetxattr(path, attribute, value, sizeof value)
                     : getxattr(path, attribute, value, sizeof value);
    bool found = n >= 0 || errno == ERANGE;
    return (relative && fchdir(PRL_TARGET_PROC_FD) < 0) || found;
}

/* Cut the last name off a path: what follows is returned, path is what leads there.  NULL:
 * there is none that can be made. */
static char *split_name(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strcmp(name, "") == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return NULL;
    return name;
}

int prl_target_parent(const struct prl_target *target, int dir_fd, uint64_t address,
                      char *ret_name)
{
    char path[PATH_MAX];
    int r = prl_target_path(target, address, path);
    if (r < 0)
        return r;
    char *name = split_name(path);
    if (!name)
        return path[0] ? -EEXIST : -ENOENT;
    if (strlen(name) > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(ret_name, name, strlen(name) + 1);
    *name = '\0';
    return prl_target_open(target, dir_fd, path[0] ? path : ".", 0);
}

bool prl_target_status(const struct prl_target *target, const char *field, int base,
                       uint64_t *ret)
{
    char path[32];
    _cleanup_free_ char *text = NULL;
    size_t len;
    snprintf(path, sizeof path, "%d/status", (int)target->pid);
    if (prl_io_read_file(AT_FDCWD, path, STATUS_MAX_BYTES, &text, &len) < 0)
        return false;
    const char *at = strstr(text, field);
    if (!at)
        return false;
    *ret = strtoull(at + strlen(field), NULL, base);
    return true;
}

uint32_t prl_target_ids(const struct prl_target *target)
{
    struct rlimit limit;
    if (prlimit(target->pid, RLIMIT_LOCKS, NULL, &limit) < 0 ||
        (limit.rlim_cur & ~IDS_INDEX) != IDS_VALUE(target->tag))
        return 0;
    return (uint32_t)(limit.rlim_cur & IDS_INDEX);
}

int prl_target_set_ids(const struct prl_target *target, uint32_t index)
{
    struct rlimit limit;
    if (!prl_target_alive(target))
        return -ESRCH;
    if (prlimit(target->pid, RLIMIT_LOCKS, NULL, &limit) < 0)
        return -EPERM;
    limit.rlim_cur = IDS_VALUE(target->tag) | index;
    return prlimit(target->pid, RLIMIT_LOCKS, &limit, NULL) < 0 ? -EPERM : 0;
}

char *prl_target_file(int fd, char *buf)
{
    memcpy(buf, "self/fd/", 8);
    prl_sys_decimal((uint64_t)fd, buf + 8);
    return buf;
}
