/* overlay.c: the kernel's overlay as the container's "/".
 * In: layers, an upper directory or a tmpfs for it.  Out: the overlay on root.path.
 * Never: a copy of a layer; a path of the host in a mount option: directories are named by the
 * numbers of their descriptors, looked up in /proc/self/fd, so that the container's mountinfo
 * tells nothing of the host and 500 layers, the kernel's limit, fit into the page of options.
 * Source: overlayfs.rst, mount(2). */
#include "steps/steps.h"

#include "base/box.h"
#include "base/handover.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int PRL_CHILD_SAFE append_directory(struct overlay *o, const char *before,
                                           const char *path)
{
    char number[24];
    int fd = open_directory(o, path);
    if (fd < 0 || append(o, before) < 0)
        return -1;
    return append(o, prl_sys_decimal((uint64_t)fd, number));
}

static int PRL_CHILD_SAFE append_lowers(struct overlay *o, struct prl_error *reterr)
{
    const struct prl_rootfs *root = &o->s->spec->rootfs;
    for (size_t i = 0; i < root->lowers_len; i++)
        if (append_directory(o, i ? ":" : "lowerdir=", root->lowers[i]) < 0)
            return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", root->lowers[i]);
    return 0;
}

static bool PRL_CHILD_SAFE has_own_dev(const struct prl_spec *spec)
{
    for (size_t i = 0; i < spec->mounts_len; i++)
        if (strcmp(spec->mounts[i].destination, "/dev") == 0)
            return true;
    return false;
}

/* The /dev of a sandbox lies in its upper, where names are made at a fifth of what the overlay
 * takes for them. */
static int PRL_CHILD_SAFE furnish_box(struct prl_setup *s, int upper, struct prl_error *reterr)
{
    if (prl_handover_send(s->service_fd, PRL_HANDOVER_SCRATCH, upper, s->served) < 0)
        return prl_fail(reterr, PRL_STAGE_BOX, "sendmsg", "scratch");
    if (has_own_dev(s->spec))
        return 0;
    if (prl_dev_sketch(upper, prl_devices_count(s)) < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", "/dev on tmpfs");
    s->dev_sketched = true;
    return 0;
}

/* A tmpfs on the staging directory takes upper and work directory; the overlay is then mounted
 * over it. */
static int PRL_CHILD_SAFE append_tmpfs(struct overlay *o, struct prl_error *reterr)
{
    const char *stage = o->s->spec->rootfs.path;
    if (mount("tmpfs", stage, "tmpfs", MS_NOSUID | MS_NODEV, o->s->tmpfs_data) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "tmpfs for the upper directory");
    if (chdir(stage) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0755) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mkdir", "upper directory on tmpfs");
    if (append_directory(o, ",upperdir=", "upper") < 0 ||
        append_directory(o, ",workdir=", "work") < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", "upper directory on tmpfs");
    /* The upper was opened last but one: the work directory came after it. */
    return o->s->box ? furnish_box(o->s, o->s->layer_fds[o->s->layer_fds_len - 2], reterr) : 0;
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
    int r = append_lowers(o, reterr);
    if (r == 0)
        r = root->upper == PRL_UPPER_TMPFS ? append_tmpfs(o, reterr) : append_disk(o, reterr);
    if (r < 0)
        return r;
    if (append(o, ",userxattr") < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "overlay options");
    if (chdir("/proc/self/fd") < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "chdir", "/proc/self/fd");
    if (mount("overlay", root->path, "overlay", MS_NODEV, o->s->overlay_data) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "overlay");
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
