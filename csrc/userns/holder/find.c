/* find.c: is there a holder, and which process is it?
 * In: directory and name.  Out: its pidfd.
 * Never: a message to it: the kernel gives the credentials of the process behind a listening
 * socket, even if that process is busy or stopped; a process id that could be another process's
 * by now.  Source: unix(7), SO_PEERCRED and SO_PEERPIDFD. */
#include "userns/holder/keeper.h"

#include "base/own.h"
#include "base/process/pass.h"
#include "base/sys.h"

#include <fcntl.h>
#include <sys/socket.h>

int prl_holder_connect(int dir_fd, const char *name)
{
    struct sockaddr_un address;
    int r = prl_pass_address(dir_fd, name, &address);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    return steal_fd(&fd);
}

static int peer_of(int fd, struct ucred *ret)
{
    socklen_t size = sizeof *ret;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &size) < 0)
        return -errno;
    return ret->uid == geteuid() && ret->pid > 0 ? 0 : -EPERM;
}

/* FALLBACK for SO_PEERPIDFD, with a filled peer: the process id cannot have become somebody
 * else's before it was opened, if the holder of that id listens after it.  Remove when kernel
 * >= 6.5 is required. */
static int open_peer(int dir_fd, const char *name, const struct ucred *peer)
{
    struct ucred again;
    _cleanup_close_ int pidfd = prl_sys_pidfd_open(peer->pid);
    if (pidfd < 0)
        return -errno;
    _cleanup_close_ int second = prl_holder_connect(dir_fd, name);
    int r = second < 0 ? second : peer_of(second, &again);
    if (r < 0)
        return r;
    return again.pid == peer->pid ? steal_fd(&pidfd) : -ESRCH;
}

int prl_holder_find(const char *dir, const char *name)
{
    struct ucred peer;
    _cleanup_close_ int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0)
        return -errno;
    _cleanup_close_ int fd = prl_holder_connect(dir_fd, name);
    int r = fd < 0 ? fd : peer_of(fd, &peer);
    if (r < 0)
        return r;
    int pidfd = prl_sys_peer_pidfd(fd);
    return pidfd >= 0 ? pidfd : open_peer(dir_fd, name, &peer);
}
