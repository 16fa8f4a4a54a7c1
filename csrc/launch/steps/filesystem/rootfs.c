/* rootfs.c: the container's "/": bound, sealed, entered.
 * In: a directory, or the overlay that an earlier step mounted.  Out: root_fd, then the process
 * inside it with the host's tree out of reach.  Never: a copy of the tree.
 * Source: pivot_root(2), mount(2). */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/filesystem/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAP_SYS_ADMIN_BIT = 21 };

static int PRL_CHILD_SAFE build_bind(const struct prl_setup *s, struct prl_error *reterr)
{
    static const struct prl_place_attr attr = {.set = MOUNT_ATTR_NODEV};
    const char *path = s->spec->rootfs.path;
    _cleanup_close_ int target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (target < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", path);
    if (prl_place_bind(AT_FDCWD, path, true, &attr, target) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open_tree", path);
    return 0;
}

/* The path to what is now mounted on top of the root's path. "/" itself leads beneath a mount
 * on it: a look-up begins at the process's root and crosses a mount only at its first step. */
static const char *PRL_CHILD_SAFE way_to_top(const char *path)
{
    return strcmp(path, "/") == 0 ? "/.." : path;
}

int PRL_CHILD_SAFE prl_rootfs_build(struct prl_setup *s, struct prl_error *reterr)
{
    const struct prl_rootfs *root = &s->spec->rootfs;
    int r = root->upper == PRL_UPPER_NONE ? build_bind(s, reterr) : 0;
    if (r < 0)
        return r;
    /* Opening the path again, from "/", finds the mount that now lies on top. */
    s->root_fd = open(way_to_top(root->path), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->root_fd < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "open", root->path);
    struct stat st;
    bool same =
        !s->root_seen.name || (fstat(s->root_fd, &st) == 0 && st.st_dev == s->root_seen.dev &&
                               st.st_ino == s->root_seen.ino);
    return same ? 0 : prl_fail_with(reterr, PRL_STAGE_MOUNTS, ESTALE, "open", root->path);
}

/* The working directory is made if it is missing, like a mount point: images name directories
 * that none of their layers has, and docker makes them (after the mounts, so it may be made in
 * a volume). Only where writes go to an upper: a directory of the caller's own stays as it is.
 * If it cannot be made, prl_exec_chdir reports it. */
int PRL_CHILD_SAFE prl_rootfs_workdir(struct prl_setup *s, struct prl_error *reterr)
{
    (void)reterr;
    if (s->spec->rootfs.upper == PRL_UPPER_NONE)
        return 0;
    _cleanup_close_ int fd = prl_place_target(s->root_fd, s->spec->process.cwd, true, false);
    return 0;
}

/* When every mount is made, the root beneath them may become read-only. */
int PRL_CHILD_SAFE prl_rootfs_seal(struct prl_setup *s, struct prl_error *reterr)
{
    char root[32];
    prl_sys_fd_path(s->root_fd, root);
    if (s->spec->rootfs.readonly &&
        prl_sys_mount_setattr(s->root_fd, 0, MOUNT_ATTR_RDONLY, 0, 0) < 0) {
        /* FALLBACK: remove when kernel >= 5.12 is required */
        if (errno != ENOSYS ||
            mount(NULL, root, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV, NULL) < 0)
            return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount_setattr", "/");
    }
    if (s->spec->rootfs_propagation &&
        mount(NULL, root, NULL, s->spec->rootfs_propagation, NULL) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "rootfsPropagation");
    return 0;
}

/* A program that may mount could undo the move, so it gets pivot_root and a detached old root.
 * For all others the move confines as well, and does not walk every thread of the host, as
 * pivot_root must (docs/kernel.md). */
static int PRL_CHILD_SAFE enter_by_pivot(struct prl_error *reterr)
{
    if (prl_sys_pivot_root(".", ".") < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "pivot_root", ".");
    if (umount2(".", MNT_DETACH) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "umount2", "old root");
    return 0;
}

static int PRL_CHILD_SAFE change_root(struct prl_error *reterr)
{
    return chroot(".") < 0 ? prl_fail(reterr, PRL_STAGE_ROOTFS, "chroot", ".") : 0;
}

static int PRL_CHILD_SAFE enter_by_move(const struct prl_setup *s, struct prl_error *reterr)
{
    if (strcmp(s->spec->rootfs.path, "/") == 0)
        return change_root(reterr); /* bound where the move would put it */
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "mount", "move of the new root");
    return change_root(reterr);
}

int PRL_CHILD_SAFE prl_rootfs_enter(struct prl_setup *s, struct prl_error *reterr)
{
    bool may_mount = s->spec->process.caps[PRL_CAP_BOUNDING] >> CAP_SYS_ADMIN_BIT & 1;
    if (fchdir(s->root_fd) < 0)
        return prl_fail(reterr, PRL_STAGE_ROOTFS, "fchdir", "new root");
    int r = may_mount ? enter_by_pivot(reterr) : enter_by_move(s, reterr);
    if (r < 0)
        return r;
    return chdir("/") < 0 ? prl_fail(reterr, PRL_STAGE_ROOTFS, "chdir", "/") : 0;
}
