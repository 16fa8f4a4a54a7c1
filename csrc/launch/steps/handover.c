/* handover.c: one kind and one descriptor over a socket pair; see handover.h.
 * In, out: as there.  Never: memory of its own. */
#include "launch/steps/handover.h"

#include "base/process/pass.h"
#include "base/sys.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* In place of the kind alone: a descriptor to be fetched from the sender. */
struct note {
    char kind;
    int fd;
};

static int PRL_CHILD_SAFE send_kind(int socket_fd, char kind, int fd)
{
    const struct iovec byte = {&kind, 1};
    return prl_pass_send(socket_fd, &byte, 1, &fd, 1) < 0 ? -1 : 0;
}

/* As far as this process may raise it; and back, for what it becomes. */
static int PRL_CHILD_SAFE send_raised(int socket_fd, char kind, int fd)
{
    struct rlimit own, most;
    if (getrlimit(RLIMIT_NOFILE, &own) < 0)
        return -1;
    most = (struct rlimit){own.rlim_max, own.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &most) < 0)
        return -1;
    int r = send_kind(socket_fd, kind, fd), why = errno;
    if (setrlimit(RLIMIT_NOFILE, &own) < 0)
        return -1;
    errno = why;
    return r;
}

static int PRL_CHILD_SAFE send_number(int socket_fd, char kind, int fd)
{
    const struct note note = {.kind = kind, .fd = fd};
    const struct iovec bytes = {(void *)(uintptr_t)&note, sizeof note};
    return prl_pass_send(socket_fd, &bytes, 1, NULL, 0) < 0 ? -1 : 0;
}

int PRL_CHILD_SAFE prl_handover_send(int socket_fd, enum prl_handover kind, int fd, bool wait)
{
    int r = send_kind(socket_fd, (char)kind, fd);
    if (r < 0 && errno == ETOOMANYREFS)
        r = send_raised(socket_fd, (char)kind, fd);
    if (r < 0 && errno == ETOOMANYREFS && wait)
        r = send_number(socket_fd, (char)kind, fd);
    if (r < 0)
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

int prl_handover_receive(int socket_fd, int pidfd, char *ret_kind, int *ret_fd)
{
    struct note note;
    ssize_t n = prl_pass_receive(socket_fd, &note, sizeof note, ret_fd);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    *ret_kind = note.kind;
    if (n != (ssize_t)sizeof note)
        return 1;
    *ret_fd = prl_sys_pidfd_getfd(pidfd, note.fd);
    return *ret_fd < 0 ? -ETOOMANYREFS : 1; /* the reason why it came by its number */
}

int prl_handover_answer(int socket_fd)
{
    return send_kind(socket_fd, 'a', -1) < 0 ? -errno : 0;
}
