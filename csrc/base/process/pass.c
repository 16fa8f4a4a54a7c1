/* pass.c: see pass.h.
 * In, out: as there.  Never: more than PRL_PASS_FDS descriptors. */
#include "base/process/pass.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(PRL_PASS_FDS * sizeof(int))];
};

/* The descriptors that there are, into the message. */
static int PRL_CHILD_SAFE put_fds(struct msghdr *message, union control *control,
                                  const int *fds, size_t len)
{
    int sent[PRL_PASS_FDS];
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (fds[i] < 0)
            continue;
        if (n == PRL_PASS_FDS) {
            errno = EINVAL;
            return -1;
        }
        sent[n++] = fds[i];
    }
    if (n == 0)
        return 0;
    control->header = (struct cmsghdr){.cmsg_len = CMSG_LEN(n * sizeof *sent),
                                       .cmsg_level = SOL_SOCKET,
                                       .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control->header), sent, n * sizeof *sent);
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(n * sizeof *sent);
    return 0;
}

ssize_t PRL_CHILD_SAFE prl_pass_send(int socket_fd, const struct iovec *parts, size_t parts_len,
                                     const int *fds, size_t fds_len)
{
    union control control = {0};
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = parts_len};
    ssize_t n;
    if (put_fds(&message, &control, fds, fds_len) < 0)
        return -1;
    do
        n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

int prl_pass_address(int dir_fd, const char *name, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
    return n < (int)sizeof ret->sun_path ? 0 : -ENAMETOOLONG;
}

ssize_t prl_pass_receive(int socket_fd, void *buf, size_t size, int *ret_fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof *ret_fd)]; /* a second one is closed by the kernel */
    } control = {0};
    struct iovec part = {buf, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    *ret_fd = -1;
    do
        n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? 0 : -1;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(header), sizeof *ret_fd);
    return n;
}
