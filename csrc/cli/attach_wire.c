/* attach_wire.c: records between the front and the monitor.
 * In, out: struct prl_attach_message, at most one descriptor.  Never: SIGPIPE, an inheritable
 * descriptor. */
#include "cli/attach_wire.h"

#include "base/own.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int prl_attach_send(int socket_fd, const struct prl_attach_message *message, int passed_fd)
{
    union control control;
    struct iovec data = {(void *)message, sizeof *message};
    struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (passed_fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        struct cmsghdr *part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof passed_fd);
        memcpy(CMSG_DATA(part), &passed_fd, sizeof passed_fd);
    }
    ssize_t n;
    do
        n = sendmsg(socket_fd, &header, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int prl_attach_receive(int socket_fd, struct prl_attach_message *ret, int *ret_fd)
{
    union control control;
    struct iovec data = {ret, sizeof *ret};
    struct msghdr header = {.msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    ssize_t n;
    *ret_fd = -1;
    do
        n = recvmsg(socket_fd, &header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return 0;
    if (n < 0)
        return -errno;
    struct cmsghdr *part = CMSG_FIRSTHDR(&header);
    if (part && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(part), sizeof *ret_fd);
    if (n != (ssize_t)sizeof *ret) {
        prl_close_p(ret_fd);
        return -EPROTO;
    }
    return 1;
}
