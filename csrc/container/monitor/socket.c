/* socket.c: see socket.h.
 * In, out: as there.  Never: a socket that others may open for a moment.
 * Source: unix(7), "Pathname socket ownership and permissions", SO_PEERCRED. */
#include "container/monitor/socket.h"

#include "base/error.h"
#include "base/own.h"
#include "base/process/pass.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BACKLOG = 64 };

static int open_directory(const struct prl_dirs *dirs, bool make)
{
    int fd = openat(dirs->runtime_fd, "control", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT || !make)
        return fd < 0 ? -errno : fd;
    if (mkdirat(dirs->runtime_fd, "control", 0700) < 0 && errno != EEXIST)
        return -errno;
    return open_directory(dirs, false);
}

static int listen_in(int dir_fd, const char *id)
{
    struct sockaddr_un address;
    int r = prl_pass_address(dir_fd, id, &address);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The file is made with the socket's own mode, so that it never is anybody else's. */
    if (fd < 0 || fchmod(fd, 0600) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    return listen(fd, BACKLOG) < 0 ? -errno : steal_fd(&fd);
}

int prl_control_listen(const struct prl_dirs *dirs, const char *id, struct prl_error *reterr)
{
    _cleanup_close_ int dir_fd = open_directory(dirs, true);
    int fd = dir_fd < 0 ? dir_fd : listen_in(dir_fd, id);
    if (fd < 0)
        return prl_failf(reterr, PRL_STAGE_MONITOR, -fd, "bind", "%s/control/%s", dirs->runtime,
                         id);
    return fd;
}

int prl_control_connect(const struct prl_dirs *dirs, const char *id)
{
    struct sockaddr_un address;
    _cleanup_close_ int dir_fd = open_directory(dirs, false);
    int r = dir_fd < 0 ? dir_fd : prl_pass_address(dir_fd, id, &address);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* The directory is the owner's alone already: this holds should somebody open it. */
static bool is_owner(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

int prl_control_accept(int listen_fd)
{
    _cleanup_close_ int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -errno;
    return is_owner(fd) ? steal_fd(&fd) : -EPERM;
}
