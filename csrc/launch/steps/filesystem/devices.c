/* devices.c: /dev of the container.
 * In: the host's device nodes, each checked to be the device it is named for.  Out: them in the
 * container's /dev, and the usual links. Never: mknod (a user namespace has none), a node taken
 * from the image, a write through a link. Source: OCI runtime-spec config-linux.md, "Default
 * Devices" and "Dev symbolic links". */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/filesystem/dev.h"
#include "launch/steps/filesystem/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct prl_place_attr device_attr = {.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};

static bool PRL_CHILD_SAFE is_device(const struct stat *st, const struct prl_device *d)
{
    mode_t kind = d->type == 'b' ? S_IFBLK : S_IFCHR;
    return (st->st_mode & S_IFMT) == kind && st->st_rdev == makedev(d->major, d->minor);
}

/* The host's node, which must be what its name says: in a nested container it might be a plain
 * file. */
static int PRL_CHILD_SAFE open_node(const struct prl_device *d, struct prl_error *reterr)
{
    _cleanup_close_ int fd = open(d->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", d->path);
    if (!is_device(&st, d))
        return prl_fail_with(reterr, PRL_STAGE_DEVICES, ENODEV, "fstat", d->path);
    return steal_fd(&fd);
}

int PRL_CHILD_SAFE prl_devices_open_null(struct prl_setup *s, struct prl_error *reterr)
{
    s->null_fd = open_node(&prl_dev_nodes[0], reterr);
    return s->null_fd < 0 ? s->null_fd : 0;
}

static bool PRL_CHILD_SAFE is_usual(const struct prl_device *d)
{
    return d >= prl_dev_nodes && d < prl_dev_nodes + PRL_DEV_NODES;
}

/* The name is usually new, in a /dev that nobody else knows, so it needs no descriptor. A
 * sandbox has made all names already. own_fd: such a /dev, or -1. NULL: the name is looked
 * up. */
static const char *PRL_CHILD_SAFE make_name(const struct prl_setup *s, int own_fd,
                                            const struct prl_device *d)
{
    const char *name = own_fd >= 0 ? prl_place_name("/dev", d->path) : NULL;
    bool made = name && ((s->dev_sketched && is_usual(d)) ||
                         mknodat(own_fd, name, S_IFREG | 0644, 0) == 0);
    return made ? name : NULL;
}

/* FALLBACK: remove when kernel >= 5.12 (mount_setattr) is required. */
static int PRL_CHILD_SAFE bind_old(const struct prl_setup *s, const struct prl_device *d,
                                   struct prl_error *reterr)
{
    _cleanup_close_ int target = prl_place_target(s->root_fd, d->path, false, true);
    if (target < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", d->path);
    _cleanup_close_ int node = open_node(d, reterr);
    if (node < 0)
        return node;
    if (prl_place_bind(node, NULL, false, &device_attr, target) < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "bind", d->path);
    return 0;
}

static int PRL_CHILD_SAFE bind_node(const struct prl_setup *s, const struct prl_device *d,
                                    int target, const char *name, struct prl_error *reterr)
{
    struct stat st;
    _cleanup_close_ int tree = prl_sys_open_tree(
        AT_FDCWD, d->path, PRL_OPEN_TREE_CLONE | PRL_OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    if (tree < 0 && errno == ENOSYS)
        return bind_old(s, d, reterr);
    if (tree < 0 || fstat(tree, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", d->path);
    if (!is_device(&st, d))
        return prl_fail_with(reterr, PRL_STAGE_DEVICES, ENODEV, "fstat", d->path);
    if (prl_place_tree(tree, false, &device_attr, target, name) == 0)
        return 0;
    return errno == ENOSYS ? bind_old(s, d, reterr)
                           : prl_fail(reterr, PRL_STAGE_DEVICES, "bind", d->path);
}

static int PRL_CHILD_SAFE place_device(const struct prl_setup *s, int own_fd,
                                       const struct prl_device *d, struct prl_error *reterr)
{
    struct stat st;
    const char *name = make_name(s, own_fd, d);
    if (name)
        return bind_node(s, d, own_fd, name, reterr);
    _cleanup_close_ int target = prl_place_target(s->root_fd, d->path, false, true);
    if (target < 0 || fstat(target, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", d->path);
    if (is_device(&st, d))
        return 0; /* /dev of the host was asked for as a volume */
    return bind_node(s, d, target, "", reterr);
}

int PRL_CHILD_SAFE prl_devices_apply(struct prl_setup *s, struct prl_error *reterr)
{
    const char *name;
    bool own = s->dev_sketched || s->dev_fd >= 0;
    _cleanup_close_ int lent_fd =
        s->dev_fd < 0 ? prl_place_target(s->root_fd, "/dev", true, true) : -1;
    int dev_fd = s->dev_fd < 0 ? lent_fd : s->dev_fd;
    if (dev_fd < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", "/dev");
    int own_fd = own ? dev_fd : -1;
    for (size_t i = 0; i < prl_devices_count(s); i++) {
        int r = place_device(s, own_fd, &prl_dev_nodes[i], reterr);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < s->spec->devices_len; i++) {
        int r = place_device(s, own_fd, &s->spec->devices[i], reterr);
        if (r < 0)
            return r;
    }
    if (s->dev_sketched || prl_dev_links(dev_fd, &name) == 0)
        return 0;
    return prl_fail(reterr, PRL_STAGE_DEVICES, "symlink", name);
}
