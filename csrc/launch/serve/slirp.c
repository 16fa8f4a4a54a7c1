/* slirp.c: the ports that slirp4netns publishes, told over its socket.
 * In: ports, the path of the socket.  Out: all of them open, or its complaint.
 * Never: IPv6, which it cannot publish (the merge refuses it); a wait without an end.
 * Source: slirp4netns(1), "API SOCKET": one JSON object a connection, one back. */
#include "launch/serve/parent.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "network/exports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

enum { ANSWER_SECONDS = 5 };

static int connect_api(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* 0 and its answer as a text. */
static int ask(const char *path, const char *question, char *answer, size_t size)
{
    _cleanup_close_ int fd = connect_api(path);
    if (fd < 0)
        return fd;
    int r = prl_io_write_all(fd, question, strlen(question));
    if (r < 0)
        return r;
    shutdown(fd, SHUT_WR);
    ssize_t n = recv(fd, answer, size - 1, MSG_WAITALL);
    answer[n > 0 ? n : 0] = '\0';
    return n < 0 ? -errno : 0;
}

static int publish(const struct prl_port *port, unsigned n, const char *path,
                   struct prl_error *reterr)
{
    const char *protocol = port->udp ? "udp" : "tcp";
    char question[256], answer[160];
    snprintf(
        question, sizeof question,
        "{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"%s\",\"host_addr\":\"%s\","
        "\"host_port\":%u,\"guest_addr\":\"" PRL_SLIRP_GUEST "\",\"guest_port\":%u}}",
        protocol, port->address ? port->address : "0.0.0.0", port->host + n,
        port->container + n);
    int r = ask(path, question, answer, sizeof answer);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_NETWORK, ENOTCONN, "slirp4netns",
                         "no answer about port %u/%s: %s", port->host + n, protocol,
                         strerror(-r));
    if (!strstr(answer, "\"return\""))
        return prl_failf(reterr, PRL_STAGE_NETWORK, ENOTCONN, "slirp4netns",
                         "port %u/%s could not be published: %s", port->host + n, protocol,
                         answer);
    return 0;
}

int prl_serve_slirp_ports(const struct prl_network *network, const char *socket_path,
                          struct prl_error *reterr)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < network->ports_len; i++)
        for (unsigned n = 0; r == 0 && n < network->ports[i].count; n++)
            r = publish(&network->ports[i], n, socket_path, reterr);
    return r;
}
