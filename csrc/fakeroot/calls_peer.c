/* calls_peer.c: whose process is at the other end of a socket.
 * In: getsockopt(SO_PEERCRED).  Out: the claimed ids of the peer, if it is of this container.
 * Never: a look at what is sent.  Source: unix(7), pidfd_getfd(2). */
#include "fakeroot/supervisor.h"

#include "base/own.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* A descriptor of ours for the target's socket. */
static int take_socket(const struct prl_fake_request *request)
{
    uint64_t process;
    if (!prl_target_status(&request->target, "\nTgid:", 10, &process))
        return -1;
    _cleanup_close_ int pidfd = prl_sys_pidfd_open((pid_t)process);
    return pidfd < 0 ? -1 : prl_sys_pidfd_getfd(pidfd, (int)request->args[0]);
}

/* The index of a process in another container counts in another table. */
static bool is_ours(pid_t pid)
{
    char path[48];
    struct stat own, other;
    snprintf(path, sizeof path, "%d/ns/user", (int)pid);
    return stat("self/ns/user", &own) == 0 && stat(path, &other) == 0 &&
           own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

/* The process's number as it is known inside: its second one. */
static pid_t inner_pid(const struct prl_target *peer)
{
    uint64_t outer, inner;
    char first[40];
    if (!prl_target_status(peer, "\nNSpid:", 10, &outer))
        return 0;
    snprintf(first, sizeof first, "\nNSpid:\t%llu\t", (unsigned long long)outer);
    return prl_target_status(peer, first, 10, &inner) ? (pid_t)inner : 0;
}

static bool claimed_peer(struct prl_fake *fake, const struct prl_fake_request *request,
                         struct ucred *ret)
{
    socklen_t len = sizeof *ret;
    _cleanup_close_ int fd = take_socket(request);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len) < 0 || ret->pid <= 0 ||
        !is_ours(ret->pid))
        return false;
    struct prl_fake_request peer = *request;
    peer.target.pid = ret->pid;
    if (prl_target_ids(&peer.target) == 0)
        return false;
    const struct prl_fakeroot_ids *ids = prl_fake_ids(fake, &peer);
    ret->uid = ids->uid.effective;
    ret->gid = ids->gid.effective;
    ret->pid = inner_pid(&peer.target);
    return ret->pid > 0;
}

long prl_fake_peer(struct prl_fake *fake, const struct prl_fake_request *request)
{
    struct ucred peer;
    socklen_t len;
    if ((int)request->args[1] != SOL_SOCKET ||
        prl_target_read(&request->target, request->args[4], &len, sizeof len) < 0 ||
        len < sizeof peer || !claimed_peer(fake, request, &peer))
        return PRL_FAKE_PASS;
    len = sizeof peer;
    if (!prl_target_alive(&request->target) ||
        prl_target_write(&request->target, request->args[3], &peer, sizeof peer) < 0 ||
        prl_target_write(&request->target, request->args[4], &len, sizeof len) < 0)
        return PRL_FAKE_PASS;
    return 0;
}
