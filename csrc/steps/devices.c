/* devices.c: /dev of the container.
 * In: the host's device nodes, each checked to be the device it is named for.  Out: them in the
 * container's /dev, and the usual links. Never: mknod (a user namespace has none), a node taken
 * from the image, a write through a link. Source: OCI runtime-spec config-linux.md, "Default
 * Devices" and "Dev symbolic links". */
#include "steps/steps.h"

#include "base/own.h"
#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct prl_device default_devices[] = {
    {"/dev/null", 'c', 1, 3, 0666},    {"/dev/zero", 'c', 1, 5, 0666},
    {"/dev/full", 'c', 1, 7, 0666},    {"/dev/random", 'c', 1, 8, 0666},
    {"/dev/urandom", 'c', 1, 9, 0666}, {"/dev/tty", 'c', 5, 0, 0666},
};

static const char *const links[][2] = {
    {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
    {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
};

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
    s->null_fd = open_node(&default_devices[0], reterr);
    return s->null_fd < 0 ? s->null_fd : 0;
}

static int PRL_CHILD_SAFE place_device(const struct prl_setup *s, const struct prl_device *d,
                                       struct prl_error *reterr)
{
    static const struct prl_place_attr attr = {.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};
    struct stat st;
    _cleanup_close_ int target = prl_place_target(s->root_fd, d->path, false, true);
    if (target < 0 || fstat(target, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", d->path);
    if (is_device(&st, d))
        return 0; /* /dev of the host was asked for as a volume */
    _cleanup_close_ int node = open_node(d, reterr);
    if (node < 0)
        return node;
    if (prl_place_bind(node, NULL, false, &attr, target) < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "bind", d->path);
    return 0;
}

static int PRL_CHILD_SAFE place_links(const struct prl_setup *s, struct prl_error *reterr)
{
    _cleanup_close_ int dev =
        prl_sys_open_in_root_nofollow(s->root_fd, "/dev", O_PATH | O_DIRECTORY);
    if (dev < 0)
        return prl_fail(reterr, PRL_STAGE_DEVICES, "open", "/dev");
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlinkat(links[i][0], dev, links[i][1]) < 0 && errno != EEXIST && errno != EROFS)
            return prl_fail(reterr, PRL_STAGE_DEVICES, "symlink", links[i][1]);
    return 0;
}

int PRL_CHILD_SAFE prl_devices_apply(struct prl_setup *s, struct prl_error *reterr)
{
    size_t count = sizeof default_devices / sizeof *default_devices;
    count -= s->box != NULL; /* the last is /dev/tty, and a sandbox has no terminal */
    for (size_t i = 0; i < count; i++) {
        int r = place_device(s, &default_devices[i], reterr);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < s->spec->devices_len; i++) {
        int r = place_device(s, &s->spec->devices[i], reterr);
        if (r < 0)
            return r;
    }
    return place_links(s, reterr);
}
