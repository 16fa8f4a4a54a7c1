/* open.c: a volume's directory, locked.
 * In: DATA, a name.  Out: its descriptor; the lock goes with it.  Never: a link, or a directory
 * that has been moved away meanwhile. */
#include "container/state/volumes/parts.h"

#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

/* -EWOULDBLOCK; any other failure is a file system without locks. */
static int lock(int fd, bool exclusive)
{
    while (flock(fd, exclusive ? LOCK_EX | LOCK_NB : LOCK_SH) < 0)
        if (errno != EINTR)
            return errno == EWOULDBLOCK ? -EBUSY : 0;
    return 0;
}

static bool leads_to(int store_fd, const char *path, int fd)
{
    struct stat named, opened;
    return fstatat(store_fd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

int prl_volume_open(int store_fd, const char *name, bool exclusive)
{
    char path[16 + NAME_MAX];
    if (snprintf(path, sizeof path, "volumes/%s", name) >= (int)sizeof path)
        return -ENOENT;
    for (;;) {
        _cleanup_close_ int fd =
            openat(store_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return errno == ELOOP || errno == ENOTDIR ? -EBADMSG : -errno;
        int r = lock(fd, exclusive);
        if (r < 0)
            return r;
        if (leads_to(store_fd, path, fd))
            return steal_fd(&fd);
    }
}
