/* overlay.c: the kernel's overlay as the container's "/".
 * In: layers, an upper directory or a tmpfs for it.  Out: the overlay on root.path.
 * Never: a copy of a layer; a path of the host in a mount option, which the container's
 * mountinfo would tell.  Layers of the store are named "DIGEST/tree" from where they lie
 * (spec/lowers.c), one layer is "."; all else by the numbers of descriptors, looked up in
 * /proc/self/fd: 500, the kernel's limit, fit into the page of options.
 * Source: overlayfs.rst, mount(2). */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/box.h"
#include "launch/steps/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS "/proc/self/fd"

/* The option string as it grows, and the limit on descriptors as it was. */
struct overlay {
    struct prl_setup *s;
    char *end;
    struct rlimit limit;
    bool raised;
};

static int PRL_CHILD_SAFE append(struct overlay *o, const char *text)
{
    size_t len = strlen(text), used = (size_t)(o->end - o->s->overlay_data);
    if (used + len + 1 > o->s->overlay_data_size) {
        errno = E2BIG;
        return -1;
    }
    memcpy(o->end, text, len + 1);
    o->end += len;
    return 0;
}

/* Up to the hard limit, once, for as long as the layers are open. */
static bool PRL_CHILD_SAFE raise_limit(struct overlay *o)
{
    if (o->raised || getrlimit(RLIMIT_NOFILE, &o->limit) < 0)
        return false;
    struct rlimit most = {o->limit.rlim_max, o->limit.rlim_max};
    o->raised = setrlimit(RLIMIT_NOFILE, &most) == 0;
    return o->raised;
}

static int PRL_CHILD_SAFE open_directory(struct overlay *o, const char *path)
{
    int flags = O_PATH | O_DIRECTORY | O_CLOEXEC, fd = open(path, flags);
    if (fd < 0 && errno == EMFILE && raise_limit(o))
        fd = open(path, flags);
    if (fd >= 0)
        o->s->layer_fds[o->s->layer_fds_len++] = fd;
    return fd;
}

static int PRL_CHILD_SAFE append_fd(struct overlay *o, const char *before, int fd)
{
    char number[24];
    if (append(o, before) < 0 || append(o, o->s->layers_at ? FDS "/" : "") < 0)
        return -1;
    return append(o, prl_sys_decimal((uint64_t)fd, number));
}

static int PRL_CHILD_SAFE append_directory(struct overlay *o, const char *before,
                                           const char *path)
{
    int fd = open_directory(o, path);
    return fd < 0 ? -1 : append_fd(o, before, fd);
}

static int PRL_CHILD_SAFE append_name(struct overlay *o, const char *before, const char *path)
{
    const char *name = path + o->s->spec->rootfs.lowers_begin;
    return append(o, before) < 0 ? -1 : append(o, *name ? name : ".");
}

/* An upper in memory lies over root.path: names that lead there lead to it. */
static bool PRL_CHILD_SAFE is_covered(const struct overlay *o, const char *path)
{
    const struct prl_rootfs *root = &o->s->spec->rootfs;
    size_t len = strlen(root->path);
    while (len > 0 && root->path[len - 1] == '/')
        len--;
    return root->upper == PRL_UPPER_TMPFS && strncmp(path, root->path, len) == 0 &&
           (path[len] == '/' || path[len] == '\0');
}

/* The kernel does not say which layer is missing; opening them one by one does. */
static int PRL_CHILD_SAFE fail_mount(const struct overlay *o, const char *call,
                                     const char *subject, struct prl_error *reterr)
{
    const struct prl_rootfs *root = &o->s->spec->rootfs;
    int error = errno;
    for (size_t i = 0; i < root->lowers_len; i++) {
        _cleanup_close_ int fd = open(root->lowers[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", root->lowers[i]);
    }
    return prl_fail_with(reterr, PRL_STAGE_ROOTFS, error, call, subject);
}

static bool PRL_CHILD_SAFE has_own_dev(const struct prl_spec *spec)
{
    for (size_t i = 0; i < spec->mounts_len; i++)
        if (strcmp(spec->mounts[i].destination, "/dev") == 0)
            return true;
    return false;
}

/* A tmpfs on the staging directory takes upper and work directory; the overlay is then mounted
 * over it. */
static int PRL_CHILD_SAFE append_tmpfs(struct overlay *o, struct prl_error *reterr)
{
    const char *stage = o->s->spec->rootfs.path;
    if (mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, o->s->tmpfs_data) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "tmpfs for the upper directory");
    int fd = open_directory(o, stage);
    if (fd < 0 || mkdirat(fd, "upper", 0755) < 0 || mkdirat(fd, "work", 0755) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mkdir", "upper directory on tmpfs");
    if (append_fd(o, ",upperdir=", fd) < 0 || append(o, "/upper") < 0 ||
        append_fd(o, ",workdir=", fd) < 0 || append(o, "/work") < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", "upper directory on tmpfs");
    /* The /dev of a sandbox lies in its upper, where making a name costs a fifth of what it
     * costs in the overlay. */
    if (!o->s->box)
        return 0;
    _cleanup_close_ int upper = openat(fd, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (upper < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", "upper directory on tmpfs");
    if (prl_handover_send(o->s->service_fd, PRL_HANDOVER_SCRATCH, upper, o->s->served) < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "sendmsg", "scratch");
    o->s->scratch_root_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (o->s->scratch_root_fd < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "dup", "scratch");
    if (has_own_dev(o->s->spec))
        return 0;
    if (prl_dev_sketch(upper, prl_devices_count(o->s)) < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", "/dev on tmpfs");
    o->s->dev_sketched = true;
    return 0;
}

static int PRL_CHILD_SAFE append_disk(struct overlay *o, struct prl_error *reterr)
{
    const struct prl_rootfs *root = &o->s->spec->rootfs;
    if (append_directory(o, ",upperdir=", root->upper_path) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", root->upper_path);
    if (append_directory(o, ",workdir=", root->work_path) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", root->work_path);
    if (root->upper_volatile && append(o, ",volatile") < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "overlay options");
    return 0;
}

static int PRL_CHILD_SAFE mount_overlay(struct overlay *o, struct prl_error *reterr)
{
    const struct prl_rootfs *root = &o->s->spec->rootfs;
    const char *at = o->s->layers_at ? o->s->layers_at : FDS;
    /* Before anything lies over it. */
    if (chdir(at) < 0)
        return fail_mount(o, "chdir", at, reterr);
    for (size_t i = 0; i < root->lowers_len; i++) {
        const char *before = i ? ":" : "lowerdir=", *path = root->lowers[i];
        bool named = o->s->layers_at && (root->lowers_len == 1 || !is_covered(o, path));
        if ((named ? append_name(o, before, path) : append_directory(o, before, path)) < 0)
            return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", path);
    }
    int r = root->upper == PRL_UPPER_TMPFS ? append_tmpfs(o, reterr) : append_disk(o, reterr);
    if (r < 0)
        return r;
    if (append(o, ",userxattr") < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "overlay options");
    if (mount("overlay", root->path, "overlay", MS_NODEV, o->s->overlay_data) < 0)
        return fail_mount(o, "mount", "overlay", reterr);
    return 0;
}

int PRL_CHILD_SAFE prl_overlay_mount(struct prl_setup *s, struct prl_error *reterr)
{
    struct overlay o = {.s = s, .end = s->overlay_data};
    if (s->spec->rootfs.upper == PRL_UPPER_NONE || s->spec->rootfs.fuse_program)
        return 0;
    int r = mount_overlay(&o, reterr);
    while (s->layer_fds_len > 0)
        close(s->layer_fds[--s->layer_fds_len]);
    if (r == 0 && o.raised && setrlimit(RLIMIT_NOFILE, &o.limit) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "setrlimit", "open files");
    return r;
}
