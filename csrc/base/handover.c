/* handover.c: one kind and one descriptor over a socket pair; see handover.h.
 * In, out: as there.  Never: memory of its own.  Source: unix(7), cmsg(3). */
#include "base/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

static int PRL_CHILD_SAFE send_kind(int socket_fd, char kind, int fd)
{
    struct iovec iov = {.iov_base = &kind, .iov_len = 1};
    union control control = {0};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
    }
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int PRL_CHILD_SAFE prl_handover_send(int socket_fd, enum prl_handover kind, int fd, bool wait)
{
    if (send_kind(socket_fd, (char)kind, fd) < 0)
        return -1;
    return wait ? prl_handover_wait(socket_fd) : 0;
}

int PRL_CHILD_SAFE prl_handover_wait(int socket_fd)
{
    char answer;
    ssize_t n;
    do
        n = recv(socket_fd, &answer, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = EPIPE;
    return n == 1 ? 0 : -1;
}

int prl_handover_receive(int socket_fd, char *ret_kind, int *ret_fd)
{
    struct iovec iov = {.iov_base = ret_kind, .iov_len = 1};
    union control control = {0};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == ECONNRESET) /* gone, and without having read our answer */
        return 0;
    if (n <= 0)
        return n < 0 ? -errno : 0;
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    *ret_fd = -1;
    if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(cmsg), sizeof *ret_fd);
    return 1;
}

int prl_handover_answer(int socket_fd)
{
    return send_kind(socket_fd, 'a', -1) < 0 ? -errno : 0;
}
