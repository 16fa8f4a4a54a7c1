/* mounts.c: the mounts of config.json, in its order, and the paths it hides.
 * In: mount values, root_fd.  Out: mounts on descriptors inside the root.
 * Never: a target resolved outside the root, or through a link for the kernel's own trees. */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/filesystem/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MODE_DIGITS = 4 };

/* /proc, /sys and /dev carry the masks and the devices: an image that links them elsewhere is
 * refused, because the masks would land elsewhere too (CVE-2019-19921 and its kin). */
static bool PRL_CHILD_SAFE is_kernel_tree(const char *path)
{
    static const char trees[][8] = {"/proc", "/sys", "/dev"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(trees[i]);
        if (strncmp(path, trees[i], len) == 0 && (path[len] == '\0' || path[len] == '/'))
            return true;
    }
    return false;
}

/* What the engine brings itself, on names where an image may have a link. */
static bool PRL_CHILD_SAFE is_brought(const char *path)
{
    return strcmp(path, "/etc/hosts") == 0 || strcmp(path, "/etc/hostname") == 0 ||
           strcmp(path, "/etc/resolv.conf") == 0;
}

static int PRL_CHILD_SAFE open_target(const struct prl_setup *s, const char *path,
                                      bool directory, struct prl_error *reterr)
{
    int fd = !directory && is_brought(path)
                 ? prl_place_target_of_links(s->root_fd, path)
                 : prl_place_target(s->root_fd, path, directory, is_kernel_tree(path));
    return fd < 0 ? prl_fail(reterr, PRL_STAGE_MOUNTS, "open mount point", path) : fd;
}

/* What the parent decided on, by the same way there: nobody has exchanged it meanwhile. */
static bool PRL_CHILD_SAFE is_as_seen(const struct prl_seen *seen, int fd)
{
    char link[32], name[PATH_MAX];
    struct stat st;
    ssize_t n = readlink(prl_sys_fd_path(fd, link), name, sizeof name - 1);
    if (n < 0 || fstat(fd, &st) < 0)
        return false;
    name[n] = '\0';
    return st.st_dev == seen->dev && st.st_ino == seen->ino && strcmp(name, seen->name) == 0;
}

/* The root file system is assembled on a directory of the host; a volume may lie in that very
 * directory. */
int PRL_CHILD_SAFE prl_mounts_open(struct prl_setup *s, struct prl_error *reterr)
{
    for (size_t i = 0; i < s->spec->mounts_len; i++) {
        const struct prl_mount *m = &s->spec->mounts[i];
        s->source_fds[i] = m->bind ? open(m->source, O_PATH | O_CLOEXEC) : -1;
        if (m->bind && s->source_fds[i] < 0)
            return prl_fail(reterr, PRL_STAGE_MOUNTS, "open", m->source);
        if (s->seen && s->seen[i].name && !is_as_seen(&s->seen[i], s->source_fds[i]))
            return prl_fail_with(reterr, PRL_STAGE_MOUNTS, ESTALE, "open", m->source);
    }
    return 0;
}

static bool PRL_CHILD_SAFE is_of_kind(int fd, bool directory)
{
    struct stat st;
    int before = errno;
    bool good = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) == directory;
    errno = before;
    return good;
}

static int PRL_CHILD_SAFE mount_bind(const struct prl_setup *s, const struct prl_mount *m,
                                     struct prl_error *reterr)
{
    const struct prl_place_attr attr = {
        .set = m->attr_set,
        .set_recursive = m->attr_set_recursive,
        .propagation = m->propagation,
    };
    int source_fd = s->source_fds[m - s->spec->mounts];
    struct stat st;
    if (fstat(source_fd, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "fstat", m->source);
    _cleanup_close_ int target = open_target(s, m->destination, S_ISDIR(st.st_mode), reterr);
    if (target < 0)
        return target;
    if (prl_place_bind(source_fd, NULL, m->recursive, &attr, target) == 0)
        return 0;
    if (errno == EINVAL && is_of_kind(target, !S_ISDIR(st.st_mode)))
        errno = ENOTDIR; /* move_mount(2) says this for a file on a directory too */
    return prl_fail(reterr, PRL_STAGE_MOUNTS, "bind", m->destination);
}

/* A name in the container's own /dev, which nobody else knows yet, is usually new. */
static int PRL_CHILD_SAFE mount_in_dev(const struct prl_setup *s, const struct prl_mount *m,
                                       unsigned long flags)
{
    const char *name = s->dev_fd >= 0 ? prl_place_name("/dev", m->destination) : NULL;
    errno = EEXIST;
    return name ? prl_place_fs_new(m->type, s->dev_fd, name, flags, m->data) : -1;
}

/* A tmpfs that names no mode takes that of the directory it covers, as with runc: /root stays
 * closed.  data has room; what is returned lies there or is the mount's own. */
static const char *PRL_CHILD_SAFE with_mode(const struct prl_setup *s,
                                            const struct prl_mount *m, char *data, size_t size)
{
    static const char word[] = ",mode=";
    struct stat st;
    size_t len = strlen(m->data);
    if (strcmp(m->type, "tmpfs") != 0 || strstr(m->data, "mode=") ||
        len + sizeof word + MODE_DIGITS > size)
        return m->data;
    _cleanup_close_ int fd =
        prl_sys_open_in_root(s->root_fd, m->destination, O_PATH | O_DIRECTORY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return m->data;
    char *at = (char *)memcpy(data, m->data, len) + len;
    size_t skip = len == 0; /* the comma */
    at = (char *)memcpy(at, word + skip, sizeof word - 1 - skip) + sizeof word - 1 - skip;
    for (int digit = MODE_DIGITS - 1; digit >= 0; digit--)
        *at++ = (char)('0' + ((st.st_mode >> 3 * digit) & 7));
    *at = '\0';
    return data;
}

static int PRL_CHILD_SAFE mount_fs(const struct prl_setup *s, const struct prl_mount *m,
                                   struct prl_error *reterr)
{
    unsigned long flags = prl_place_flags(m->attr_set | m->attr_set_recursive);
    if (mount_in_dev(s, m, flags) == 0)
        return 0;
    if (errno != EEXIST)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "mount", m->destination);
    char room[PATH_MAX];
    const char *data = with_mode(s, m, room, sizeof room);
    _cleanup_close_ int target = open_target(s, m->destination, true, reterr);
    if (target < 0)
        return target;
    if (prl_place_fs(m->type, target, flags, data) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "mount", m->destination);
    return 0;
}

static int PRL_CHILD_SAFE mount_one(struct prl_setup *s, const struct prl_mount *m,
                                    struct prl_error *reterr)
{
    int r = m->bind ? mount_bind(s, m, reterr) : mount_fs(s, m, reterr);
    if (r < 0 || strcmp(m->destination, "/dev") != 0)
        return r;
    /* A tmpfs on /dev is the container's own. */
    prl_close_p(&s->dev_fd);
    if (!m->bind && strcmp(m->type, "tmpfs") == 0)
        s->dev_fd = prl_sys_open_in_root_nofollow(s->root_fd, "/dev", O_PATH | O_DIRECTORY);
    return 0;
}

bool PRL_CHILD_SAFE prl_mounts_overlap(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (*a == '\0' && (*b == '\0' || *b == '/')) || (*b == '\0' && *a == '/');
}

static bool PRL_CHILD_SAFE overlaps_late(const struct prl_setup *s, const struct prl_mount *m)
{
    for (size_t i = 0; i < s->mounts_late_len; i++)
        if (prl_mounts_overlap(m->destination, s->mounts_late[i]->destination))
            return true;
    return false;
}

/* May a mount be made before an earlier one that waits?  Only where neither can hide the other:
 * by their names, and because no link of the image leads elsewhere.  1: it may; 0: not. */
static int PRL_CHILD_SAFE may_overtake(const struct prl_setup *s, const struct prl_mount *m,
                                       struct prl_error *reterr)
{
    if (s->mounts_late_len == 0)
        return 1;
    if (overlaps_late(s, m))
        return 0;
    _cleanup_close_ int fd = prl_sys_open_in_root_nofollow(s->root_fd, m->destination, O_PATH);
    if (fd >= 0 || errno == ENOENT)
        return 1;
    return errno == ELOOP
               ? 0
               : prl_fail(reterr, PRL_STAGE_MOUNTS, "open mount point", m->destination);
}

/* These file systems show a namespace of the one that mounts them: ours, once it is joined. */
static bool PRL_CHILD_SAFE waits(const struct prl_setup *s, const struct prl_mount *m)
{
    if (s->beside.pid <= 0 || s->beside.joined || m->bind)
        return false;
    return (s->beside.namespaces & CLONE_NEWNET && strcmp(m->type, "sysfs") == 0) ||
           (s->beside.namespaces & CLONE_NEWIPC && strcmp(m->type, "mqueue") == 0);
}

/* In their order; what shows a namespace that the second task makes waits until that is there
 * (prl_mounts_finish), and so does what must come after it. */
int PRL_CHILD_SAFE prl_mounts_apply(struct prl_setup *s, struct prl_error *reterr)
{
    for (; s->mounts_done < s->spec->mounts_len; s->mounts_done++) {
        const struct prl_mount *m = &s->spec->mounts[s->mounts_done];
        bool late = waits(s, m);
        int r = may_overtake(s, m, reterr);
        if (r <= 0 || (late && s->mounts_late_len == PRL_MOUNTS_LATE))
            return r < 0 ? r : 0;
        r = late ? 0 : mount_one(s, m, reterr);
        if (r < 0)
            return r;
        if (late)
            s->mounts_late[s->mounts_late_len++] = m;
    }
    return 0;
}

/* There is nothing to hide, or nobody inside could reach it. */
static bool PRL_CHILD_SAFE is_absent(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES;
}

int PRL_CHILD_SAFE prl_mounts_finish(struct prl_setup *s, struct prl_error *reterr)
{
    for (size_t i = 0; i < s->mounts_late_len; i++) {
        int r = mount_one(s, s->mounts_late[i], reterr);
        if (r < 0)
            return r;
    }
    s->mounts_late_len = 0;
    int r = prl_mounts_apply(s, reterr);
    prl_close_p(&s->dev_fd);
    return r;
}

/* A file is hidden by the host's null device, a directory by an empty read-only tmpfs. */
static int PRL_CHILD_SAFE hide(const struct prl_setup *s, int target, bool directory)
{
    static const struct prl_place_attr attr = {.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC};
    return directory
               ? prl_place_fs("tmpfs", target, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                              "nr_inodes=1,size=4k,mode=555")
               : prl_place_bind(s->null_fd, NULL, false, &attr, target);
}

/* The first mask of each kind is made, the others repeat it: a second empty tmpfs costs more
 * than the first one shown again. */
static int PRL_CHILD_SAFE mask(struct prl_setup *s, const char *path, int target,
                               struct prl_error *reterr)
{
    struct stat st;
    if (fstat(target, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "open masked path", path);
    bool directory = S_ISDIR(st.st_mode);
    int *first = directory ? &s->mask_directory_fd : &s->mask_file_fd;
    if (*first >= 0 && prl_place_again(*first, target, "") == 0)
        return 0;
    if ((*first >= 0 && errno != ENOSYS) || hide(s, target, directory) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "mask", path);
    if (*first < 0)
        *first = prl_sys_open_in_root(s->root_fd, path, O_PATH);
    return 0;
}

static const struct prl_place_attr readonly_attr = {.set = MOUNT_ATTR_RDONLY,
                                                    .set_recursive = MOUNT_ATTR_RDONLY};

static int PRL_CHILD_SAFE make_readonly(struct prl_setup *s, const char *path, int target,
                                        struct prl_error *reterr)
{
    (void)s;
    if (prl_place_bind(target, NULL, true, &readonly_attr, target) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "make read-only", path);
    return 0;
}

/* The same two for a name in /proc, which nobody can exchange: no descriptor, no walk from the
 * root.  1: it takes a descriptor. */
static int PRL_CHILD_SAFE mask_name(struct prl_setup *s, const char *path, const char *name,
                                    struct prl_error *reterr)
{
    struct stat st;
    if (fstatat(s->proc_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return is_absent(errno) ? 0 : 1;
    int first = S_ISDIR(st.st_mode) ? s->mask_directory_fd : s->mask_file_fd;
    if (S_ISLNK(st.st_mode) || first < 0)
        return 1;
    if (prl_place_again(first, s->proc_fd, name) == 0)
        return 0;
    return errno == ENOSYS ? 1 : prl_fail(reterr, PRL_STAGE_MOUNTS, "mask", path);
}

static int PRL_CHILD_SAFE make_name_readonly(struct prl_setup *s, const char *path,
                                             const char *name, struct prl_error *reterr)
{
    struct stat st;
    _cleanup_close_ int tree = prl_sys_open_tree(s->proc_fd, name,
                                                 PRL_OPEN_TREE_CLONE | PRL_OPEN_TREE_CLOEXEC |
                                                     PRL_AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
    if (tree < 0)
        return is_absent(errno) ? 0 : 1;
    if (fstat(tree, &st) < 0 || S_ISLNK(st.st_mode))
        return 1;
    if (prl_place_tree(tree, true, &readonly_attr, s->proc_fd, name) == 0)
        return 0;
    return errno == ENOSYS ? 1 : prl_fail(reterr, PRL_STAGE_MOUNTS, "make read-only", path);
}

struct change {
    int (*to_target)(struct prl_setup *s, const char *path, int target,
                     struct prl_error *reterr);
    int (*to_name)(struct prl_setup *s, const char *path, const char *name,
                   struct prl_error *reterr);
};

/* In /proc most paths can be hidden before /sys is there: all that no link leads over. */
static int PRL_CHILD_SAFE open_early(struct prl_setup *s, const char *path)
{
    int fd = -1;
    errno = ENOENT;
    if (strncmp(path, "/proc/", 6) == 0)
        fd = prl_sys_open_in_root_nofollow(s->root_fd, path, O_PATH);
    s->proc_links |= fd < 0 && errno == ELOOP;
    return fd;
}

/* The paths that open_early left. */
static int PRL_CHILD_SAFE open_late(struct prl_setup *s, const char *path)
{
    bool link = true;
    if (s->proc_hidden && strncmp(path, "/proc/", 6) == 0) {
        _cleanup_close_ int fd =
            s->proc_links ? prl_sys_open_in_root_nofollow(s->root_fd, path, O_PATH) : -1;
        link = s->proc_links && fd < 0 && errno == ELOOP;
    }
    errno = ENOENT;
    return link ? prl_sys_open_in_root(s->root_fd, path, O_PATH) : -1;
}

static int PRL_CHILD_SAFE change_target(struct prl_setup *s, const char *path, bool early,
                                        const struct change *change, struct prl_error *reterr)
{
    _cleanup_close_ int target = early ? open_early(s, path) : open_late(s, path);
    if (target >= 0)
        return change->to_target(s, path, target, reterr);
    return is_absent(errno) || (early && errno == ELOOP)
               ? 0
               : prl_fail(reterr, PRL_STAGE_MOUNTS, "open path to hide", path);
}

static int PRL_CHILD_SAFE change_all(struct prl_setup *s, const char *const *paths, bool early,
                                     const struct change *change, struct prl_error *reterr)
{
    for (; paths && *paths; paths++) {
        const char *name = s->proc_fd >= 0 ? prl_place_name("/proc", *paths) : NULL;
        int r = name ? change->to_name(s, *paths, name, reterr) : 1;
        if (r > 0)
            r = change_target(s, *paths, early, change, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

static int PRL_CHILD_SAFE hide_all(struct prl_setup *s, bool early, struct prl_error *reterr)
{
    static const struct change readonly = {make_readonly, make_name_readonly};
    static const struct change masked = {mask, mask_name};
    int r = change_all(s, s->spec->readonly_paths, early, &readonly, reterr);
    return r < 0 ? r : change_all(s, s->spec->masked_paths, early, &masked, reterr);
}

/* The kernel's own /proc at its place, whose names stay what they are; -1: it is not there. */
static int PRL_CHILD_SAFE open_proc(const struct prl_setup *s)
{
    struct statfs fs;
    _cleanup_close_ int fd =
        prl_sys_open_in_root_nofollow(s->root_fd, "/proc", O_PATH | O_DIRECTORY);
    return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC ? steal_fd(&fd)
                                                                             : -1;
}

/* Not while a volume is still to come, which could lie over what is hidden. */
int PRL_CHILD_SAFE prl_mounts_hide_proc(struct prl_setup *s, struct prl_error *reterr)
{
    s->proc_hidden = s->mounts_done == s->spec->mounts_len;
    if (!s->proc_hidden)
        return 0;
    s->proc_fd = open_proc(s);
    int r = hide_all(s, true, reterr);
    prl_close_p(&s->proc_fd);
    return r;
}

int PRL_CHILD_SAFE prl_mounts_hide(struct prl_setup *s, struct prl_error *reterr)
{
    return hide_all(s, false, reterr);
}
