/* egress.c: start the egress filter between a container's interface and its network
 * helper. In: the interface that the child handed over, the allowed destinations, the published
 * ports. Out: the egress filter at work, and the socket for the helper. Never: the interface
 * still open in this process when it returns: when the filter ends, the network must end. */
#include "launch/serve/parent.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/own.h"
#include "base/process/helper.h"
#include "base/sys.h"
#include "launch/steps/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { READY_MS = 15000, PORT_BYTES = 24 };

/* "tcp FIRST-LAST" a line, of the container's side. */
static char *list_ports(struct prl_arena *arena, const struct prl_network *network)
{
    size_t used = 0, room = network->ports_len * PORT_BYTES + 1;
    char *text = prl_arena_alloc(arena, room);
    for (size_t i = 0; text && i < network->ports_len; i++) {
        const struct prl_port *port = &network->ports[i];
        used += (size_t)snprintf(text + used, room - used, "%s%s %u-%u", i ? "\n" : "",
                                 port->udp ? "udp" : "tcp", port->container,
                                 port->container + port->count - 1);
    }
    return text;
}

static int await(int ready_fd, struct prl_error *reterr)
{
    struct pollfd ready = {.fd = ready_fd, .events = POLLIN};
    char byte;
    int n;
    do
        n = poll(&ready, 1, READY_MS);
    while (n < 0 && errno == EINTR);
    return n == 1 && read(ready_fd, &byte, 1) == 1
               ? 0
               : prl_failf(reterr, PRL_STAGE_NETWORK, ENOTSUP, "egress filter",
                           "the process that holds the list of destinations could not confine "
                           "itself, so nothing was started");
}

static int start(const char *const argv[], struct prl_setup *s, int helper_fd,
                 struct prl_child *child, struct prl_error *reterr)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "pipe2", "egress filter");
    _cleanup_close_ int reader = ready[0], writer = ready[1];
    const struct prl_helper_start how = {.argv = argv,
                                         .fds = {-1, writer, -1, s->tap_fd, helper_fd, -1}};
    int r = prl_helper_start(&how, &child->egress);
    prl_close_p(&s->tap_fd);
    prl_close_p(&writer);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_NETWORK, -r, "execve", argv[0])
                 : await(reader, reterr);
}

int prl_serve_egress(struct prl_setup *setup, struct prl_child *child, int *ret_socket,
                     struct prl_error *reterr)
{
    const struct prl_network *network = &setup->spec->network;
    bool stream = network->helper == PRL_NETWORK_PASTA;
    const char *program = setup->spec->launcher ? setup->spec->launcher : "/proc/self/exe";
    char parent[24];
    int pair[2];
    if (socketpair(AF_UNIX, (stream ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC, 0, pair) <
        0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "socketpair", "egress filter");
    _cleanup_close_ int ours = pair[0], helpers = pair[1];
    struct prl_arena *arena = prl_arena_new();
    const char *ports = arena ? list_ports(arena, network) : NULL;
    const char *const argv[] = {program,
                                "_egress-filter",
                                prl_sys_decimal((uint64_t)getpid(), parent),
                                stream ? "stream" : "packet",
                                ports,
                                network->allow,
                                NULL};
    int r = ports ? start(argv, setup, ours, child, reterr)
                  : prl_fail_with(reterr, PRL_STAGE_NETWORK, ENOMEM, "malloc", "egress filter");
    prl_arena_free(arena);
    if (r == 0)
        *ret_socket = steal_fd(&helpers);
    return r;
}
