/* ports.c: can the ports that are to be published be taken?
 * In: the ports of a spec.  Out: 0, or which one is taken, forbidden, or on no address here.
 * Never: a port kept: the helper takes it a moment later, and says so itself if somebody was
 * faster. */
#include "launch/serve/parent.h"

#include "base/error.h"
#include "base/own.h"
#include "network/exports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* As the helpers do: a TCP port is free although its last connections are still closing. */
static int try_bind(const char *text, uint16_t port, bool udp)
{
    union prl_address address;
    const int on = 1;
    socklen_t len = prl_address_fill(&address, text, port);
    _cleanup_close_ int fd =
        socket(address.any.sa_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (!udp)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    return bind(fd, &address.any, len) < 0 ? -errno : 0;
}

static int check_port(const char *address, const struct prl_port *port, uint16_t number,
                      struct prl_error *reterr)
{
    bool v6 = strchr(address, ':') != NULL;
    int r = try_bind(address, number, port->udp);
    if (r == 0)
        return 0;
    return prl_failf(reterr, PRL_STAGE_NETWORK, -r, "bind", "port %u/%s of %s%s%s: %s", number,
                     port->udp ? "udp" : "tcp", v6 ? "[" : "", address, v6 ? "]" : "",
                     strerror(-r));
}

static bool has_ipv6(void)
{
    return try_bind("::", 0, true) == 0;
}

int prl_serve_ports_check(const struct prl_network *network, struct prl_error *reterr)
{
    bool both = network->helper == PRL_NETWORK_PASTA && network->ports_len > 0 && has_ipv6();
    for (size_t i = 0; i < network->ports_len; i++) {
        const struct prl_port *port = &network->ports[i];
        for (unsigned n = 0; n < port->count; n++) {
            uint16_t number = (uint16_t)(port->host + n);
            int r = check_port(port->address ? port->address : "0.0.0.0", port, number, reterr);
            if (r == 0 && !port->address && both)
                r = check_port("::", port, number, reterr);
            if (r < 0)
                return r;
        }
    }
    return 0;
}
