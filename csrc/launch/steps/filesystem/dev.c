/* dev.c: what every container finds in /dev; see dev.h.
 * In: a directory.  Out: names in it.  Never: mknod (a user namespace has none), a link
 * followed. Source: OCI runtime-spec config-linux.md, "Default Devices" and "Dev symbolic
 * links". */
#include "launch/steps/filesystem/dev.h"

#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

const struct prl_device prl_dev_nodes[PRL_DEV_NODES] = {
    {"/dev/null", 'c', 1, 3, 0666},    {"/dev/zero", 'c', 1, 5, 0666},
    {"/dev/full", 'c', 1, 7, 0666},    {"/dev/random", 'c', 1, 8, 0666},
    {"/dev/urandom", 'c', 1, 9, 0666}, {"/dev/tty", 'c', 5, 0, 0666},
};

static const char links[][2][16] = {
    {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
    {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
};

int PRL_CHILD_SAFE prl_dev_links(int dev_fd, const char **ret_name)
{
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        *ret_name = links[i][1];
        if (symlinkat(links[i][0], dev_fd, links[i][1]) < 0 && errno != EEXIST &&
            errno != EROFS)
            return -1;
    }
    return 0;
}

int PRL_CHILD_SAFE prl_dev_sketch(int dir_fd, size_t len)
{
    const char *name;
    if (mkdirat(dir_fd, "dev", 0755) < 0)
        return -1;
    _cleanup_close_ int dev_fd = openat(dir_fd, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dev_fd < 0 || fchmod(dev_fd, 0755) < 0) /* whatever the umask is */
        return -1;
    for (size_t i = 0; i < len && i < PRL_DEV_NODES; i++) {
        name = prl_dev_nodes[i].path + strlen("/dev/");
        _cleanup_close_ int fd =
            openat(dev_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
            return -1;
    }
    if (mkdirat(dev_fd, "shm", 01777) < 0 || fchmodat(dev_fd, "shm", 01777, 0) < 0)
        return -1;
    return prl_dev_links(dev_fd, &name);
}
