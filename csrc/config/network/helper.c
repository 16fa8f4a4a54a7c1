/* helper.c: --network, --publish, --mac-address: which helper, which ports.
 * In: options, the facts about the helpers, what the image exposes, the shared network.  Out:
 * the namespace and the annotations io.pyrootless.network*.  Never: a port promised that no
 * helper opens; a helper started here. */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/network/facts.h"
#include "config/network/shared.h"
#include "network/exports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { PORTS_MAX = 4096, LINE_BYTES = 80 };

static bool publishes(const struct prl_options *options)
{
    return prl_options_get(options, "publish") || prl_options_flag(options, "publish-all");
}

enum prl_value_network prl_config_network_kind(const struct prl_options *options)
{
    const char *text = prl_options_get(options, "network");
    enum prl_value_network kind;
    struct prl_error ignored; /* the parser has seen the same text */
    uint32_t mtu;

    if (text && prl_value_network("--network", text, &kind, &mtu, &ignored) == 0)
        return kind;
    return publishes(options) || prl_options_get(options, "allow-host")
               ? PRL_VALUE_NETWORK_AUTO
               : PRL_VALUE_NETWORK_NONE;
}

/* No packet is sent: connecting a datagram socket looks the route up. */
void prl_network_own_address(int family, char ret[46])
{
    union prl_address address;
    bool v6 = family == AF_INET6;
    /* RFC 3849, 5737: nobody's. */
    socklen_t len = prl_address_fill(&address, v6 ? "2001:db8::1" : "192.0.2.1", 9);
    void *binary = v6 ? (void *)&address.v6.sin6_addr : (void *)&address.v4.sin_addr;
    ret[0] = '\0';
    _cleanup_close_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, &address.any, len) == 0 &&
        getsockname(fd, &address.any, &len) == 0)
        inet_ntop(family, binary, ret, 46);
}

/* Behind an egress filter frames go to passt, which is pasta under its other name, in one
 * package. */
static int take_passt(char program[256], struct prl_error *reterr)
{
    char *name = strrchr(program, '/');
    memcpy(name ? name + 1 : program, "passt", sizeof "passt");
    return access(program, X_OK) == 0
               ? 0
               : prl_failf(reterr, PRL_STAGE_OPTIONS, ENOPKG, "--allow-host",
                           "%s is not installed, which pasta is called for it (package passt); "
                           "or take --network slirp4netns",
                           program);
}

/* Through slirp4netns nothing is published on IPv6, and what comes from the host's own loopback
 * gets no answers over UDP. */
static bool publishes_for_pasta(const struct prl_options *options)
{
    for (size_t i = 0; i < options->values_len; i++) {
        struct prl_value_publish port;
        struct prl_error ignored; /* met again where ports are collected */
        if (strcmp(options->values[i].option->name, "publish") != 0 ||
            prl_value_publish("--publish", options->values[i].text, &port, &ignored) < 0)
            continue;
        if (strchr(port.address, ':') || (port.udp && strncmp(port.address, "127.", 4) == 0))
            return true;
    }
    return false;
}

static bool has_passt(const struct prl_network_facts *facts)
{
    char program[sizeof facts->pasta];
    struct prl_error ignored;
    memcpy(program, facts->pasta, sizeof program);
    return take_passt(program, &ignored) == 0;
}

/* The faster one, unless what is asked for is more than it can. */
static enum prl_value_network choose_auto(const struct prl_options *options,
                                          const struct prl_network_facts *facts)
{
    bool pasta = strcmp(facts->chosen, "pasta") == 0;
    bool filtered = prl_options_get(options, "allow-host") != NULL;
    if (!facts->chosen[0])
        return PRL_VALUE_NETWORK_AUTO;
    if (!pasta && facts->pasta_works && publishes_for_pasta(options))
        pasta = true;
    if (pasta && filtered && facts->slirp_works && !has_passt(facts))
        pasta = false;
    return pasta ? PRL_VALUE_NETWORK_PASTA : PRL_VALUE_NETWORK_SLIRP;
}

static int fail_helper(const struct prl_network_facts *facts, enum prl_value_network kind,
                       struct prl_error *reterr)
{
    static const char option[] = "--network";
    if (kind == PRL_VALUE_NETWORK_AUTO)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, ENOSYS, option,
                         "no helper for a network works here (%s)",
                         facts->reason[0] ? facts->reason : "none was tried");
    return prl_failf(reterr, PRL_STAGE_OPTIONS, ENOSYS, option, "%s is not installed",
                     kind == PRL_VALUE_NETWORK_PASTA ? "pasta (package passt)" : "slirp4netns");
}

int prl_network_choose(const struct prl_options *options, const char *data_dir,
                       struct prl_network_choice *ret, struct prl_error *reterr)
{
    struct prl_network_facts facts = {0};
    enum prl_value_network asked = prl_config_network_kind(options);
    const char *text = prl_options_get(options, "network");
    *ret = (struct prl_network_choice){.kind = asked};
    if (asked == PRL_VALUE_NETWORK_HOST)
        snprintf(ret->gateway, sizeof ret->gateway, "127.0.0.1");
    if (asked <= PRL_VALUE_NETWORK_HOST)
        return 0;
    if (text)
        (void)prl_value_network("--network", text, &asked, &ret->mtu, reterr);
    if (prl_network_facts_load(data_dir, &facts) != 0)
        facts = (struct prl_network_facts){0};
    if (asked == PRL_VALUE_NETWORK_AUTO)
        ret->kind = choose_auto(options, &facts);
    bool pasta = ret->kind == PRL_VALUE_NETWORK_PASTA;
    const char *program = pasta ? facts.pasta : facts.slirp;
    if (ret->kind == PRL_VALUE_NETWORK_AUTO || !*program)
        return fail_helper(&facts, ret->kind, reterr);
    memcpy(ret->program, program, sizeof ret->program);
    bool filtered = prl_options_get(options, "allow-host") != NULL;
    if (filtered && pasta) {
        int r = take_passt(ret->program, reterr);
        if (r < 0)
            return r;
    }
    if (!pasta || filtered)
        prl_network_own_address(AF_INET, ret->gateway);
    else if (facts.pasta_gateway)
        snprintf(ret->gateway, sizeof ret->gateway, PRL_PASTA_GATEWAY);
    return 0;
}

/* --- ports --- */

struct ports {
    struct prl_merge *m;
    struct prl_value_publish list[PORTS_MAX];
    size_t len;
};

/* Is a port of the host asked for twice?  An address beside "every address" counts. */
static bool overlaps(const struct prl_value_publish *a, const struct prl_value_publish *b)
{
    bool same = !a->address[0] || !b->address[0] || strcmp(a->address, b->address) == 0;
    return same && a->udp == b->udp && a->host < b->host + b->count &&
           b->host < a->host + a->count;
}

static bool is_taken(const struct ports *ports, const struct prl_value_publish *port)
{
    for (size_t i = 0; i < ports->len; i++)
        if (overlaps(&ports->list[i], port))
            return true;
    return false;
}

/* A port that is free at this moment, as the kernel gives them out; 0: none. */
static uint16_t free_port(const struct prl_value_publish *port)
{
    union prl_address address;
    socklen_t len = prl_address_fill(&address, port->address, 0);
    _cleanup_close_ int fd =
        socket(address.any.sa_family, (port->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, &address.any, len) < 0 || getsockname(fd, &address.any, &len) < 0)
        return 0;
    return ntohs(address.v4.sin_port); /* at the same place in v6 */
}

static int add_port(struct ports *ports, const struct prl_value_publish *port)
{
    if (ports->len == PORTS_MAX)
        return prl_config_bad(ports->m, E2BIG, "--publish", "more than %d ports or ranges",
                              PORTS_MAX);
    ports->list[ports->len++] = *port;
    return 0;
}

/* Each port of a range gets its own. */
static int add_free_ports(struct ports *ports, const struct prl_value_publish *asked)
{
    enum { TRIES = 100 };
    for (unsigned n = 0; n < asked->count; n++) {
        struct prl_value_publish one = *asked;
        one.container = (uint16_t)(asked->container + n);
        one.count = 1;
        for (int i = 0; i < TRIES && (one.host == 0 || is_taken(ports, &one)); i++)
            one.host = free_port(&one);
        if (one.host == 0)
            return prl_config_bad(ports->m, EADDRNOTAVAIL, "--publish",
                                  "no free port on %s for port %u of the container",
                                  one.address[0] ? one.address : "any address", one.container);
        int r = add_port(ports, &one);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_asked(struct ports *ports, const char *text)
{
    struct prl_value_publish port;
    int r = prl_value_publish("--publish", text, &port, ports->m->reterr);
    if (r < 0)
        return r;
    if (port.host == 0)
        return add_free_ports(ports, &port);
    if (is_taken(ports, &port))
        return prl_config_bad(ports->m, EINVAL, "--publish",
                              "\"%.60s\": this port of the host is published already", text);
    return add_port(ports, &port);
}

/* "80/tcp\n53/udp": what the image exposes.  A form that is not ours to read is left out. */
static int add_exposed(struct ports *ports)
{
    const char *text = prl_config_note_get(ports->m, "image.ports");
    for (const char *at = text; at && *at;) {
        struct prl_value_publish port;
        struct prl_error ignored;
        char line[32];
        size_t len = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(len < 31 ? len : 31), at);
        at += len + (at[len] == '\n');
        if (prl_value_publish("--publish-all", line, &port, &ignored) < 0)
            continue;
        int r = add_free_ports(ports, &port);
        if (r < 0)
            return r;
    }
    return 0;
}

static int collect_ports(struct ports *ports)
{
    const struct prl_options *options = ports->m->options;
    int r = 0;
    /* Fixed ones first, so that no free one is chosen from among them. */
    for (int free = 0; r == 0 && free < 2; free++)
        for (size_t i = 0; r == 0 && i < options->values_len; i++) {
            struct prl_value_publish port;
            const char *text = options->values[i].text;
            if (strcmp(options->values[i].option->name, "publish") == 0 &&
                prl_value_publish("--publish", text, &port, ports->m->reterr) == 0 &&
                (port.host == 0) == free)
                r = add_asked(ports, text);
        }
    if (r == 0 && prl_options_flag(options, "publish-all"))
        r = add_exposed(ports);
    return r;
}

static int publish(struct prl_merge *m, enum prl_value_network kind)
{
    _cleanup_free_ struct ports *ports = calloc(1, sizeof *ports);
    if (!ports)
        return prl_config_memory(m);
    ports->m = m;
    int r = collect_ports(ports);
    if (r < 0)
        return r;
    _cleanup_free_ char *text = malloc(ports->len * LINE_BYTES + 1);
    size_t used = 0;
    if (!text)
        return prl_config_memory(ports->m);
    for (size_t i = 0; i < ports->len; i++) {
        const struct prl_value_publish *port = &ports->list[i];
        if (kind == PRL_VALUE_NETWORK_SLIRP && strchr(port->address, ':'))
            return prl_config_bad(ports->m, EINVAL, "--publish",
                                  "slirp4netns publishes on IPv4 only, so not on [%s]: take "
                                  "--network pasta",
                                  port->address);
        used +=
            (size_t)snprintf(text + used, LINE_BYTES, "%s%s %s %u %u %u", i ? "\n" : "",
                             port->udp ? "udp" : "tcp", port->address[0] ? port->address : "*",
                             port->host, port->container, port->count);
    }
    if (ports->len > 0)
        prl_config_note(ports->m, "network.ports", text);
    return 0;
}

/* Options that say something about a helper's network, where there is none. */
static int check_lonely(struct prl_merge *m, enum prl_value_network kind)
{
    const char *network = kind == PRL_VALUE_NETWORK_HOST ? "host" : "none";
    if (publishes(m->options))
        return prl_config_bad(m, EINVAL, "--publish",
                              "--network %s has no ports to publish: leave --network out, or "
                              "take auto",
                              network);
    if (prl_options_get(m->options, "allow-host"))
        return prl_config_bad(
            m, EINVAL, "--allow-host",
            "--network %s has no egress filter that could enforce the list: leave "
            "--network out, or take auto",
            network);
    if (prl_options_get(m->options, "mac-address"))
        return prl_config_bad(m, EINVAL, "--mac-address",
                              "--network %s has no interface to give it to: add --network auto",
                              network);
    return 0;
}

/* What a network is made with is asked of the container that it is made for. */
static int share_network(struct prl_merge *m)
{
    static const char made[][2][16] = {
        {"publish", "--publish"},
        {"publish-all", "--publish-all"},
        {"allow-host", "--allow-host"},
        {"mac-address", "--mac-address"},
        {"dns", "--dns"},
        {"dns-search", "--dns-search"},
        {"dns-option", "--dns-option"},
    };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (prl_options_get(m->options, made[i][0]))
            return prl_config_bad(m, EINVAL, made[i][1],
                                  "the network is the other container's, which has its ports, "
                                  "addresses and name servers already: give this option to the "
                                  "container that is started first");
    prl_config_note(m, "network.container", m->facts->shared_network->running.id);
    return 0;
}

/* A line for each port, as the image's stand there. */
int prl_config_expose(struct prl_merge *m, const char *text)
{
    struct prl_value_publish port;
    int r = prl_value_expose("--expose", text, &port, m->reterr);
    if (r < 0)
        return r;
    const char *before = prl_config_note_get(m, "image.ports");
    size_t used = before ? strlen(before) : 0, room = used + port.count * LINE_BYTES + 1;
    _cleanup_free_ char *lines = malloc(room);
    if (!lines)
        return prl_config_memory(m);
    memcpy(lines, before ? before : "", used + 1);
    for (unsigned n = 0; n < port.count; n++)
        used += (size_t)snprintf(lines + used, room - used, "%s%u/%s", used ? "\n" : "",
                                 port.container + n, port.udp ? "udp" : "tcp");
    prl_config_note(m, "image.ports", lines);
    return 0;
}

int prl_config_network(struct prl_merge *m)
{
    struct prl_network_choice choice;
    int r = prl_network_choose(m->options, m->facts->data_dir, &choice, m->reterr);
    if (r < 0)
        return r;
    if (choice.kind == PRL_VALUE_NETWORK_HOST) {
        m->spec->namespaces &= ~(uint64_t)CLONE_NEWNET;
        /* sysfs shows the network namespace and may only be mounted by its owner: lend the
         * host's. */
        static const struct prl_config_mount host = {
            NULL,
            "bind",
            "/sys",
            NULL,
            {"rbind", "rprivate", "nosuid", "noexec", "nodev", "ro", "rro"},
            NULL};
        struct prl_mount *sysfs = prl_config_find_mount(m, "sysfs", NULL);

        if (sysfs)
            prl_config_replace_mount(m, &host, sysfs);
    }
    if (choice.kind == PRL_VALUE_NETWORK_CONTAINER)
        return share_network(m);
    if (choice.kind <= PRL_VALUE_NETWORK_HOST)
        return check_lonely(m, choice.kind);
    bool pasta = choice.kind == PRL_VALUE_NETWORK_PASTA;
    const char *mac = prl_options_get(m->options, "mac-address");
    prl_config_note(m, "network", pasta ? "pasta" : "slirp4netns");
    prl_config_note(m, "network.program", choice.program);
    if (choice.mtu)
        prl_config_note_number(m, "network.mtu", choice.mtu);
    if (mac)
        prl_config_note(m, "network.mac", mac);
    if (prl_resolv_needs_forward(m->options, &choice))
        prl_config_note(m, "network.dns-forward", "1");
    if (m->facts->allow)
        prl_config_note(m, "network.allow", m->facts->allow);
    if ((m->facts->allow || !pasta) &&
        m->facts->launcher) /* starts slirp4netns, and is the egress filter */
        prl_config_note(m, "launcher", m->facts->launcher);
    if (!m->facts->allow && pasta && choice.gateway[0])
        prl_config_note(m, "network.gateway", "1");
    return publish(m, choice.kind);
}
