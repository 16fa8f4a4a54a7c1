/* leaf.c: removing a container's control group.
 * In: a directory.  Out: gone with the groups below it.  Never: a wait without an
 * end. A group that a process has just left is busy for a moment longer. */
#include "limits/groups.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STEP_NS = 1000000, STEPS = 500 };

static int remove_patiently(int dir_fd, const char *name)
{
    const struct timespec step = {.tv_nsec = STEP_NS};
    for (int i = 0; i < STEPS; i++) {
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            return -errno;
        nanosleep(&step, NULL);
    }
    return -EBUSY;
}

/* The box, and whatever groups a program of the container made below it. */
static int remove_below(int dir_fd, int depth)
{
    int fd = dup(dir_fd), r = 0;
    _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (!dir) {
        prl_close_p(&fd);
        return -errno;
    }
    while (r == 0 && (entry = readdir(dir))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        _cleanup_close_ int inner =
            openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0 && depth > 0)
            r = remove_below(inner, depth - 1);
        if (r == 0)
            r = remove_patiently(dir_fd, entry->d_name);
    }
    return r;
}

int prl_leaf_remove(const char *path)
{
    enum { DEPTH = 16 };
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || strncmp(slash, "/pyrootless-", 12) != 0)
        return -EINVAL;
    if (rmdir(path) == 0 || errno == ENOENT)
        return 0;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    /* The usual case.  To list a directory of version 1 takes a look at each of its files. */
    if (unlinkat(fd, "box", AT_REMOVEDIR) == 0 && rmdir(path) == 0)
        return 0;
    _cleanup_close_ int kill_fd = openat(fd, "cgroup.kill", O_WRONLY | O_CLOEXEC); /* 5.14 */
    if (kill_fd >= 0 && write(kill_fd, "1", 1) < 0)
        return -errno;
    int r = remove_below(fd, DEPTH);
    return r < 0 ? r : remove_patiently(AT_FDCWD, path);
}
