/* marks.c: files in a container's directory that say something by being there.
 * In: the directory, a name: "created" (nobody has started it), "stopped" (somebody wanted its
 * last end), "paused".  Out: made, gone, or there.  Never: a file with content. */
#include "base/own.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

int prl_state_mark(const char *directory, const char *name)
{
    _cleanup_close_ int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int fd =
        dir_fd < 0 ? -1
                   : openat(dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : 0;
}

int prl_state_unmark(const char *directory, const char *name)
{
    _cleanup_close_ int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0)
        return -errno;
    return unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

bool prl_state_is_marked(int dir_fd, const char *directory, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    return n < (int)sizeof path && fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
