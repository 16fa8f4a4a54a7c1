/* monitor_mounts.c: a container's mounts are taken apart by the kernel while nobody waits for
 * it. In: a container whose mounts show nothing of the caller's that he could want back at
 * once. Out: its mount namespace, held over its last process's end and then left to a kernel
 * worker. Never: a process, or a namespace that outlives the worker's next turn; a failure:
 * what cannot be had costs time alone.
 *
 * The last reference to a mount namespace takes it apart, in line: with the last process that
 * is the process's end, for which the launcher waits.  The kernel has one place that lets go of
 * descriptors by itself: the collector of sockets that can no longer be reached (unix(7),
 * SCM_RIGHTS).  So the descriptor goes into the queue of a socket that lies in its own queue.
 */
#include "monitor_mounts.h"

#include "base/own.h"
#include "base/sys.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

void prl_mounts_hold(struct prl_child *child)
{
    if (child->held || child->pidfd < 0)
        return;
    child->mounts_fd = ioctl(child->pidfd, PRL_PIDFD_GET_MNT_NAMESPACE, 0);
    child->left = child->mounts_fd >= 0;
}

/* All of them, and the queue's own last, into the queue. */
static void send_itself(int from, const int *fds, size_t len, int queue)
{
    int sent[PRL_MOUNTS_LEFT + 1];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof sent)];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec byte = {.iov_base = "", .iov_len = 1};
    struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control};
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        if (fds[i] >= 0)
            sent[n++] = fds[i];
    sent[n++] = queue;
    control.header.cmsg_len = CMSG_LEN(n * sizeof *sent);
    message.msg_controllen = CMSG_SPACE(n * sizeof *sent);
    memcpy(CMSG_DATA(&control.header), sent, n * sizeof *sent);
    (void)sendmsg(from, &message, MSG_NOSIGNAL); /* refused: the close below is the last one */
}

void prl_mounts_leave(int *fds, size_t len)
{
    int pair[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0)
        send_itself(pair[0], fds, len, pair[1]);
    /* In this order: the collector starts with the last one, and must find no other holder. */
    for (size_t i = 0; i < len; i++)
        prl_close_p(&fds[i]);
    prl_close_p(&pair[1]);
    prl_close_p(&pair[0]);
}
