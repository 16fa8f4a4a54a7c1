/* handover.c: one kind and one descriptor over a socket pair; see handover.h.
 * In, out: as there.  Never: memory of its own. */
#include "base/handover.h"

#include "base/pass.h"

#include <errno.h>
#include <sys/socket.h>

static int PRL_CHILD_SAFE send_kind(int socket_fd, char kind, int fd)
{
    const struct iovec byte = {&kind, 1};
    return prl_pass_send(socket_fd, &byte, 1, &fd, 1) < 0 ? -1 : 0;
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
    ssize_t n = prl_pass_receive(socket_fd, ret_kind, 1, ret_fd);
    return n < 0 ? -errno : (int)n;
}

int prl_handover_answer(int socket_fd)
{
    return send_kind(socket_fd, 'a', -1) < 0 ? -errno : 0;
}
