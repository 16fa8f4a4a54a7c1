/* whiteout.c: what a layer takes away from those below it, in the two forms overlayfs knows.
 *
 * In: a place.  Out: a character device 0:0, which an ordinary user may make; where that is
 * refused, an empty file with the attribute user.overlay.whiteout in a directory marked "x".
 * A directory that hides all of its lower ones has the attribute user.overlay.opaque "y".
 * Never: anything of this same layer removed but whiteouts in an opaque directory: such a
 * directory is not merged, so overlayfs lists it as it is, whiteouts and all.
 * Source: Documentation/filesystems/overlayfs.rst of Linux, "whiteouts and opaque directories".
 */
#include "unpack/parts.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define XATTR_WHITEOUT "user.overlay.whiteout"
#define XATTR_OPAQUE   "user.overlay.opaque"

static bool has_whiteout_xattr(int dir_fd, const char *name)
{
    char value[2];
    _cleanup_close_ int fd =
        openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fgetxattr(fd, XATTR_WHITEOUT, value, sizeof value) >= 0;
}

static bool is_whiteout(int dir_fd, const char *name, const struct stat *st)
{
    if (S_ISCHR(st->st_mode))
        return st->st_rdev == makedev(0, 0);
    return S_ISREG(st->st_mode) && st->st_size == 0 && has_whiteout_xattr(dir_fd, name);
}

bool prl_unpack_whiteout_is(const struct prl_unpack_place *place)
{
    struct stat st;
    return fstatat(place->dir_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           is_whiteout(place->dir_fd, place->name, &st);
}

/* What an opaque directory hides anyway. */
static int drop_whiteouts(int fd)
{
    _cleanup_closedir_ DIR *dir = prl_io_list(fd, ".");
    if (!dir)
        return -errno;
    struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (entry->d_type == DT_DIR || entry->d_type == DT_LNK)
            continue;
        struct prl_unpack_place place = {fd, "", entry->d_name};
        if (prl_unpack_whiteout_is(&place) && unlinkat(fd, entry->d_name, 0) < 0)
            return -errno;
    }
    return -errno;
}

/* Opaque already: from then on no whiteout is made in it, and none need be looked for. */
static bool is_opaque(int fd)
{
    char value[1];
    return fgetxattr(fd, XATTR_OPAQUE, value, sizeof value) == 1 && value[0] == 'y';
}

int prl_unpack_whiteout_opaque(int fd)
{
    int r = is_opaque(fd) ? 0 : drop_whiteouts(fd);
    if (r < 0)
        return r;
    return fsetxattr(fd, XATTR_OPAQUE, "y", 1, 0) < 0 ? -errno : 0;
}

/* Open a directory that this program made, so by us readable. */
static int open_dir(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The second form, in a directory that says it has such. */
static int make_by_xattr(int dir_fd, const char *name)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    if (fsetxattr(dir_fd, XATTR_OPAQUE, "x", 1, 0) < 0)
        return -errno;
    _cleanup_close_ int fd = openat(dir_fd, name, flags, 0600);
    if (fd < 0 || fsetxattr(fd, XATTR_WHITEOUT, "y", 1, 0) < 0)
        return -errno;
    return 0;
}

int prl_unpack_whiteout_make(struct prl_unpack_tree *tree, const struct prl_unpack_place *place)
{
    int r = -EPERM;
    _cleanup_close_ int dir_fd = open_dir(place->dir_fd, ".");
    if (dir_fd < 0)
        return -errno;
    if (is_opaque(dir_fd))
        return 0; /* nothing is left to hide, and it would be listed as a file */
    if (!tree->no_mknod)
        r = mknodat(dir_fd, place->name, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
    if (r == -EPERM || r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL) {
        tree->no_mknod = true;
        r = make_by_xattr(dir_fd, place->name);
    }
    if (r != -EEXIST)
        return r;
    struct stat st;
    if (fstatat(place->dir_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return 0;
    _cleanup_close_ int fd = open_dir(place->dir_fd, place->name);
    return fd < 0 ? -errno : prl_unpack_whiteout_opaque(fd);
}

int prl_unpack_whiteout_mkdir(const struct prl_unpack_place *place)
{
    if (mkdirat(place->dir_fd, place->name, 0700) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (!prl_unpack_whiteout_is(place))
        return 1;
    if (unlinkat(place->dir_fd, place->name, 0) < 0 ||
        mkdirat(place->dir_fd, place->name, 0700) < 0)
        return -errno;
    _cleanup_close_ int fd = open_dir(place->dir_fd, place->name);
    return fd < 0 ? -errno : prl_unpack_whiteout_opaque(fd);
}
