/* network.c: the helper that connects the container's network namespace with the host's.
 * In: the namespace, ports, what the helper is to do.  Out: pasta or slirp4netns beside the
 * launcher, ready.  Never: the host's loopback shown inside; a helper that outlives the
 * container; any descriptor of ours in it beyond what it says and hears.
 *
 * What ends it: the launcher when the container has ended; the kernel when the launcher dies
 * (parent-death signal); pasta itself, which watches the container's /proc directory; and
 * slirp4netns, which changes ids on some maps and so loses that signal, by the end of a pipe.
 * Source: pasta(1), slirp4netns(1), ioctl_ns(2). */
#include "launch/serve/parent.h"

#include "base/arena.h"
#include "base/own.h"
#include "base/process/helper.h"
#include "base/sys.h"
#include "launch/steps/exports.h"
#include "network/exports.h"
#include "userns/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define USERNS "/proc/self/fd/0"

enum { READY_SECONDS = 15, ARGS_FIXED = 40 };

/* One start of a helper. */
struct helper {
    const struct prl_network *network;
    const char *launcher; /* what enters the user namespace for slirp4netns */
    struct prl_arena *arena;
    const char **argv;
    size_t argc;
    bool hidden;      /* its root is not the caller: its /proc directory is not ours to watch */
    char netns[48];   /* opened from inside the user namespace, so the container's own */
    int userns_fd;    /* handed on, since not every map lets the helper open it by name */
    int frames_fd;    /* the interface, or an egress filter's socket; -1: pasta makes its own */
    char api_dir[40]; /* slirp4netns with ports: where its socket lies; "": none */
    int ready_fd, complaint_fd; /* ends to read from */
    int life_fd;                /* end to hold: slirp4netns ends with it */
};

static void add(struct helper *h, const char *argument)
{
    h->argv[h->argc++] = argument;
}

/* A text is NULL where memory ran out: that is looked for at the end. */
static void add_text(struct helper *h, const char *option, const char *text)
{
    add(h, option);
    add(h, text);
}

/* "[ADDRESS/]8080-8089:80-89" */
static char *pasta_port(struct helper *h, const struct prl_port *port)
{
    return prl_arena_printf(h->arena, "%s%s%u-%u:%u-%u", port->address ? port->address : "",
                            port->address ? "/" : "", port->host, port->host + port->count - 1,
                            port->container, port->container + port->count - 1);
}

static void add_pasta_ports(struct helper *h)
{
    bool tcp = false, udp = false;
    for (size_t i = 0; i < h->network->ports_len; i++) {
        const struct prl_port *port = &h->network->ports[i];
        add_text(h, port->udp ? "--udp-ports" : "--tcp-ports", pasta_port(h, port));
        *(port->udp ? &udp : &tcp) = true;
    }
    /* Without these options pasta would publish whatever a program inside listens on, and open
     * the host's loopback to programs inside. */
    if (!tcp)
        add_text(h, "--tcp-ports", "none");
    if (!udp)
        add_text(h, "--udp-ports", "none");
    if (h->frames_fd >= 0)
        return; /* passt has no such thing */
    add_text(h, "--tcp-ns", "none");
    add_text(h, "--udp-ns", "none");
}

static void describe_pasta(struct helper *h)
{
    const struct prl_network *network = h->network;
    add(h, network->program);
    add(h, "--foreground");
    add(h, "--quiet");
    add(h, "--no-map-gw");
    if (geteuid() == 0) /* else it becomes nobody and cannot join the namespaces */
        add_text(h, "--runas", "0:0");
    add_text(h, "--pid", "/proc/self/fd/1"); /* written when it is ready */
    if (h->frames_fd >= 0) {
        /* pasta's other name, passt, takes frames from a socket; the interface is ours. */
        add_text(h, "--fd", "5");
        add_text(h, "--address", PRL_EGRESS_GUEST);
        add_text(h, "--netmask", "24");
        add_text(h, "--gateway", PRL_EGRESS_ROUTER);
        add_text(h, "--address", PRL_PASTA_GUEST6);
        add_text(h, "--gateway", PRL_PASTA_ROUTER6);
        add(h, "--no-dhcp");
        add(h, "--no-dhcpv6");
        add(h, "--no-ra");
    } else {
        add(h, "--config-net");
        add_text(h, "--userns", USERNS);
        add_text(h, "--netns", h->netns);
        if (h->hidden)
            add(h, "--no-netns-quit");
        if (h->network->mac)
            add_text(h, "--ns-mac-addr", h->network->mac);
    }
    add_pasta_ports(h);
    if (network->dns_forward)
        add_text(h, "--dns-forward", PRL_PASTA_DNS);
    if (network->gateway) {
        add_text(h, "--map-guest-addr", PRL_PASTA_GATEWAY);
        add_text(h, "--map-guest-addr", PRL_PASTA_GATEWAY6);
    }
    if (network->mtu)
        add_text(h, "--mtu", prl_arena_printf(h->arena, "%u", network->mtu));
}

/* It gets the interface, or the egress filter's socket.  Its sandbox needs a root, which it is
 * in the container's user namespace; it enters that by itself only together with the network
 * namespace, where it has nothing to do. */
static void describe_slirp(struct helper *h)
{
    enum { MTU = 65520 };
    const struct prl_network *network = h->network;
    add(h, h->launcher);
    add(h, "_egress-filter");
    add(h, "inside");
    add(h, prl_arena_printf(h->arena, "%d", (int)getpid()));
    add(h, network->program);
    if (network->allow)
        add(h, "--disable-dns");
    add(h, "--disable-host-loopback");
    add(h, "--enable-ipv6");
    add(h, "--enable-sandbox");
    add(h, "--enable-seccomp");
    add(h, "--ready-fd=3");
    add(h, "--exit-fd=4");
    add(h, prl_arena_printf(h->arena, "--mtu=%u", network->mtu ? network->mtu : MTU));
    if (h->api_dir[0])
        add(h, prl_arena_printf(h->arena, "--api-socket=%s/api", h->api_dir));
    add_text(h, "--netns-type=tapfd", "0");
}

/* The socket of slirp4netns: in a directory of ours, for a moment. */
static int make_api_dir(struct helper *h, struct prl_error *reterr)
{
    if (h->network->helper != PRL_NETWORK_SLIRP || h->network->ports_len == 0)
        return 0;
    char path[sizeof h->api_dir] = "/tmp/pyrootless-net-XXXXXX";
    if (!mkdtemp(path))
        return prl_fail(reterr, PRL_STAGE_NETWORK, "mkdtemp", path);
    memcpy(h->api_dir, path, sizeof path);
    return 0;
}

/* Until it says that the network is there; its end closes the pipe. */
static int await_ready(struct helper *h, struct prl_error *reterr)
{
    const uint64_t deadline_ns = prl_sys_now_ns() + READY_SECONDS * 1000000000ull;
    struct pollfd ready = {.fd = h->ready_fd, .events = POLLIN};
    char byte;
    for (;;) {
        uint64_t now_ns = prl_sys_now_ns();
        int left_ms = now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / 1000000) : 0;
        int n = poll(&ready, 1, left_ms);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            return prl_failf(reterr, PRL_STAGE_NETWORK, ETIMEDOUT, "network helper",
                             "%s was not ready after %d seconds", h->network->program,
                             READY_SECONDS);
        break;
    }
    if (read(h->ready_fd, &byte, 1) == 1)
        return 0;
    char text[4096];
    ssize_t n = read(h->complaint_fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    const char *line = prl_helper_last_line(text);
    return prl_failf(reterr, PRL_STAGE_NETWORK, ENOTCONN, "network helper", "%s: %s",
                     h->network->program, *line ? line : "ended without a word");
}

static int start(struct helper *h, pid_t *ret, struct prl_error *reterr)
{
    bool pasta = h->network->helper == PRL_NETWORK_PASTA;
    int ready[2], complaint[2], life[2];
    if (pipe2(ready, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "pipe2", h->network->program);
    h->ready_fd = ready[0];
    _cleanup_close_ int ready_writer = ready[1];
    if (pipe2(complaint, O_CLOEXEC | O_NONBLOCK) < 0) /* full or unread, it stops nobody */
        return prl_fail(reterr, PRL_STAGE_NETWORK, "pipe2", h->network->program);
    h->complaint_fd = complaint[0];
    _cleanup_close_ int complaint_writer = complaint[1];
    if (pipe2(life, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "pipe2", h->network->program);
    h->life_fd = life[1];
    _cleanup_close_ int life_reader = life[0];
    const struct prl_helper_start how = {
        .argv = h->argv,
        .fds = {pasta ? h->userns_fd : h->frames_fd, pasta ? ready_writer : -1,
                complaint_writer, pasta ? -1 : ready_writer, pasta ? -1 : life_reader,
                pasta ? h->frames_fd : h->userns_fd}};
    int r = prl_helper_start(&how, ret);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_NETWORK, -r, "execve", h->network->program)
                 : 0;
}

static int run_helper(struct helper *h, struct prl_child *child, struct prl_error *reterr)
{
    char socket_path[sizeof h->api_dir + 4];
    int r = make_api_dir(h, reterr);
    if (r == 0) {
        size_t room = ARGS_FIXED + 2 * h->network->ports_len;
        h->argv = h->arena ? prl_arena_alloc(h->arena, room * sizeof *h->argv) : NULL;
        if (h->argv && h->network->helper == PRL_NETWORK_PASTA)
            describe_pasta(h);
        else if (h->argv)
            describe_slirp(h);
        for (size_t i = 0; h->argv && i < h->argc; i++)
            if (!h->argv[i])
                h->argv = NULL;
        r = h->argv ? 0
                    : prl_fail_with(reterr, PRL_STAGE_NETWORK, ENOMEM, "malloc",
                                    h->network->program);
    }
    if (r == 0)
        r = start(h, &child->network, reterr);
    if (r == 0)
        r = await_ready(h, reterr);
    snprintf(socket_path, sizeof socket_path, "%s/api", h->api_dir);
    if (r == 0 && h->api_dir[0])
        r = prl_serve_slirp_ports(h->network, socket_path, reterr);
    char path[sizeof h->api_dir + 4];
    if (h->api_dir[0]) {
        snprintf(path, sizeof path, "%s/api", h->api_dir);
        unlink(path);
        rmdir(h->api_dir);
    }
    return r;
}

int prl_serve_network(struct prl_setup *setup, struct prl_child *child, int netns_fd,
                      struct prl_error *reterr)
{
    const struct prl_spec *spec = setup->spec;
    struct helper h = {.network = &spec->network,
                       .launcher = spec->launcher ? spec->launcher : "/proc/self/exe",
                       .frames_fd = -1,
                       .ready_fd = -1,
                       .complaint_fd = -1,
                       .life_fd = -1};
    _cleanup_close_ int netns = netns_fd;
    _cleanup_close_ int userns = netns < 0 ? -1 : ioctl(netns, NS_GET_USERNS);
    if (userns < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "ioctl NS_GET_USERNS", "network namespace");
    uint32_t root;
    h.hidden =
        !prl_mapping_outside(spec->uid_maps, spec->uid_maps_len, 0, &root) || root != geteuid();
    snprintf(h.netns, sizeof h.netns, "/proc/%d/ns/net", (int)child->pid);
    h.userns_fd = userns;
    h.arena = prl_arena_new();
    int r = 0;
    if (spec->network.allow)
        r = prl_serve_egress(setup, child, &h.frames_fd, reterr);
    else if (spec->network.helper == PRL_NETWORK_SLIRP)
        r = prl_serve_tap(setup, &h.frames_fd, reterr);
    if (r == 0)
        r = run_helper(&h, child, reterr);
    prl_close_p(&h.frames_fd);
    prl_close_p(&h.ready_fd);
    prl_close_p(&h.complaint_fd);
    if (child->network > 0)
        child->network_fd = steal_fd(&h.life_fd);
    prl_close_p(&h.life_fd);
    prl_arena_free(h.arena);
    return r;
}
