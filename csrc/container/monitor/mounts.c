/* mounts.c: a container's mounts are taken apart by the kernel while nobody waits for
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
#include "container/monitor/mounts.h"

#include "base/own.h"
#include "base/process/pass.h"

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

/* All of them, and the queue's own last, into the queue.  Refused: the close is the last one.
 */
static void send_itself(int from, const int *fds, size_t len, int queue)
{
    int all[PRL_MOUNTS_LEFT + 1];
    const struct iovec byte = {(char[]){0}, 1};
    memcpy(all, fds, len * sizeof *fds);
    all[len] = queue;
    (void)prl_pass_send(from, &byte, 1, all, len + 1);
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
