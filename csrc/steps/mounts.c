/* mounts.c: the mounts of config.json, in its order, and the paths it hides.
 * In: mount values, root_fd.  Out: mounts on descriptors inside the root.
 * Never: a target resolved outside the root, or through a link for the kernel's own trees. */
#include "steps/steps.h"

#include "base/own.h"
#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* /proc, /sys and /dev carry the masks and the devices: an image that links them elsewhere is
 * refused, because the masks would land elsewhere too (CVE-2019-19921 and its kin). */
static bool PRL_CHILD_SAFE is_kernel_tree(const char *path)
{
    static const char *const trees[] = {"/proc", "/sys", "/dev"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(trees[i]);
        if (strncmp(path, trees[i], len) == 0 && (path[len] == '\0' || path[len] == '/'))
            return true;
    }
    return false;
}

static int PRL_CHILD_SAFE open_target(const struct prl_setup *s, const char *path,
                                      bool directory, struct prl_error *reterr)
{
    int fd = prl_place_target(s->root_fd, path, directory, is_kernel_tree(path));
    return fd < 0 ? prl_fail(reterr, PRL_STAGE_MOUNTS, "open mount point", path) : fd;
}

static unsigned long PRL_CHILD_SAFE flags_of(uint64_t attr)
{
    static const struct {
        uint64_t attr;
        unsigned long flag;
    } rows[] = {
        {MOUNT_ATTR_RDONLY, MS_RDONLY},         {MOUNT_ATTR_NOSUID, MS_NOSUID},
        {MOUNT_ATTR_NODEV, MS_NODEV},           {MOUNT_ATTR_NOEXEC, MS_NOEXEC},
        {MOUNT_ATTR_NOATIME, MS_NOATIME},       {MOUNT_ATTR_STRICTATIME, MS_STRICTATIME},
        {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME}, {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW},
    };
    unsigned long flags = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (attr & rows[i].attr)
            flags |= rows[i].flag;
    return flags;
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
    }
    return 0;
}

static int PRL_CHILD_SAFE mount_bind(const struct prl_setup *s, const struct prl_mount *m,
                                     int source_fd, struct prl_error *reterr)
{
    const struct prl_place_attr attr = {
        .set = m->attr_set,
        .set_recursive = m->attr_set_recursive,
        .propagation = m->propagation,
    };
    struct stat st;
    if (fstat(source_fd, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "fstat", m->source);
    _cleanup_close_ int target = open_target(s, m->destination, S_ISDIR(st.st_mode), reterr);
    if (target < 0)
        return target;
    if (prl_place_bind(source_fd, NULL, m->recursive, &attr, target) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "bind", m->destination);
    return 0;
}

static int PRL_CHILD_SAFE mount_fs(const struct prl_setup *s, const struct prl_mount *m,
                                   struct prl_error *reterr)
{
    _cleanup_close_ int target = open_target(s, m->destination, true, reterr);
    if (target < 0)
        return target;
    unsigned long flags = flags_of(m->attr_set | m->attr_set_recursive);
    if (prl_place_fs(m->type, target, flags, m->data) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "mount", m->destination);
    return 0;
}

int PRL_CHILD_SAFE prl_mounts_apply(struct prl_setup *s, struct prl_error *reterr)
{
    for (size_t i = 0; i < s->spec->mounts_len; i++) {
        const struct prl_mount *m = &s->spec->mounts[i];
        int r = m->bind ? mount_bind(s, m, s->source_fds[i], reterr) : mount_fs(s, m, reterr);
        if (r < 0)
            return r;
    }
    return 0;
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

/* The first mask of each kind, which the others repeat: a second empty tmpfs costs more than
 * the first one shown again. */
struct masks {
    int file_fd, directory_fd; /* -1: none yet */
};

static int PRL_CHILD_SAFE mask(const struct prl_setup *s, const char *path, struct masks *masks,
                               struct prl_error *reterr)
{
    _cleanup_close_ int target = prl_sys_open_in_root(s->root_fd, path, O_PATH);
    struct stat st;
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return 0; /* nothing there to hide, or nothing anybody inside could reach */
    if (target < 0 || fstat(target, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "open masked path", path);
    bool directory = S_ISDIR(st.st_mode);
    int *first = directory ? &masks->directory_fd : &masks->file_fd;
    if (*first >= 0 && prl_place_again(*first, target) == 0)
        return 0;
    if ((*first >= 0 && errno != ENOSYS) || hide(s, target, directory) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "mask", path);
    if (*first < 0)
        *first = prl_sys_open_in_root(s->root_fd, path, O_PATH);
    return 0;
}

static int PRL_CHILD_SAFE mask_all(const struct prl_setup *s, struct prl_error *reterr)
{
    struct masks masks = {-1, -1};
    int r = 0;
    for (const char *const *p = s->spec->masked_paths; r == 0 && p && *p; p++)
        r = mask(s, *p, &masks, reterr);
    prl_close_p(&masks.file_fd);
    prl_close_p(&masks.directory_fd);
    return r;
}

static int PRL_CHILD_SAFE make_readonly(const struct prl_setup *s, const char *path,
                                        struct prl_error *reterr)
{
    static const struct prl_place_attr attr = {.set = MOUNT_ATTR_RDONLY,
                                               .set_recursive = MOUNT_ATTR_RDONLY};
    _cleanup_close_ int target = prl_sys_open_in_root(s->root_fd, path, O_PATH);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return 0;
    if (target < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "open read-only path", path);
    if (prl_place_bind(target, NULL, true, &attr, target) < 0)
        return prl_fail(reterr, PRL_STAGE_MOUNTS, "make read-only", path);
    return 0;
}

int PRL_CHILD_SAFE prl_mounts_hide(struct prl_setup *s, struct prl_error *reterr)
{
    for (const char *const *p = s->spec->readonly_paths; p && *p; p++) {
        int r = make_readonly(s, *p, reterr);
        if (r < 0)
            return r;
    }
    return mask_all(s, reterr);
}
