/* attach_wire.c: records between the front and the monitor.
 * In, out: struct prl_attach_message, at most one descriptor.  Never: SIGPIPE, an inheritable
 * descriptor. */
#include "cli/attach_wire.h"

#include "base/own.h"
#include "base/pass.h"

#include <errno.h>

int prl_attach_send(int socket_fd, const struct prl_attach_message *message, int passed_fd)
{
    const struct iovec data = {(void *)(uintptr_t)message, sizeof *message};
    return prl_pass_send(socket_fd, &data, 1, &passed_fd, 1) < 0 ? -errno : 0;
}

int prl_attach_receive(int socket_fd, struct prl_attach_message *ret, int *ret_fd)
{
    ssize_t n = prl_pass_receive(socket_fd, ret, sizeof *ret, ret_fd);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    if (n == (ssize_t)sizeof *ret)
        return 1;
    prl_close_p(ret_fd);
    return -EPROTO;
}
