/* allow.c: --allow-host: which addresses the container may speak to.
 * In: destinations, the answers of this host's resolver.  Out: the rows of
 * io.pyrootless.network.allow, and lines for /etc/hosts.
 * Never: an answer that comes later: a name stands for the addresses that it had before the
 * start, whatever its owner makes of it then; a name that leads to this machine or its
 * neighbourhood by surprise.
 *
 * getent asks, and not getaddrinfo(3): in a static program that knows neither a directory
 * service nor mDNS. */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "base/process/helper.h"
#include "network/exports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_BYTES = 16 * 1024 };

static const char option[] = "--allow-host";

/* The text under way. */
struct list {
    char *text;
    size_t used;
    unsigned rows;
};

static int add_row(struct list *list, const char *address, unsigned bits,
                   const struct prl_value_allow *value, struct prl_error *reterr)
{
    char port[8] = "*", line[400];
    if (value->port)
        snprintf(port, sizeof port, "%u", value->port);
    bool named = value->bits < 0;
    size_t len =
        (size_t)snprintf(line, sizeof line, "%s%s/%u %s%s%s", list->rows ? "\n" : "", address,
                         bits, port, named ? " " : "", named ? value->host : "");
    if (list->rows == PRL_ALLOW_MAX || list->used + len >= PRL_ALLOW_TEXT_BYTES)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, E2BIG, option,
                         "more than %d addresses: name networks (192.0.2.0/24) instead",
                         PRL_ALLOW_MAX);
    memcpy(list->text + list->used, line, len + 1);
    list->used += len;
    list->rows++;
    return 0;
}

/* --- names --- */

static bool is_within(const unsigned char address[16], const char *networks)
{
    struct prl_allow rows[16];
    int len = prl_allow_parse_all(networks, rows, 16);
    return len > 0 && prl_allow_has(rows, (size_t)len, address, 0);
}

static bool is_of_interface(const unsigned char address[16])
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) < 0)
        return false;
    for (struct ifaddrs *one = all; one && !found; one = one->ifa_next) {
        unsigned char own[16] = {[10] = 0xff, [11] = 0xff};
        if (!one->ifa_addr)
            continue;
        if (one->ifa_addr->sa_family == AF_INET)
            memcpy(own + 12, &((struct sockaddr_in *)(void *)one->ifa_addr)->sin_addr, 4);
        else if (one->ifa_addr->sa_family == AF_INET6)
            memcpy(own, &((struct sockaddr_in6 *)(void *)one->ifa_addr)->sin6_addr, 16);
        else
            continue;
        found = memcmp(own, address, sizeof own) == 0;
    }
    freeifaddrs(all);
    return found;
}

/* Whoever owns a name chooses what it leads to.  These are the places where a stranger's name
 * has nothing to do: this machine, and the link with its metadata services.  NULL: none of
 * them. */
static const char *surprise(const unsigned char address[16])
{
    static const char local[] = "127.0.0.0/8 *\n0.0.0.0/8 *\n::/127 *";
    static const char link[] = "169.254.0.0/16 *\nfe80::/10 *";
    static const char many[] = "224.0.0.0/3 *\nff00::/8 *";
    if (is_within(address, local) || is_of_interface(address))
        return "this machine itself";
    if (is_within(address, link))
        return "the neighbourhood of this machine (link-local)";
    return is_within(address, many) ? "many machines (multicast)" : NULL;
}

/* Adds the address at the begin of a line of getent's, when it is a new one of this family. */
static int add_answer(struct list *list, const char *line, const struct prl_value_allow *value,
                      struct prl_error *reterr)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char binary[16];
    size_t len = strcspn(line, " \t");
    if (len == 0 || len >= sizeof address)
        return 0;
    memcpy(address, line, len);
    address[len] = '\0';
    unsigned bits = prl_allow_address(address, binary);
    bool mapped = bits == 128 && is_within(binary, "::ffff:0:0/96 *");
    if (bits == 0 || mapped)
        return 0;
    const char *where = surprise(binary);
    if (where)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EPERM, option,
                         "%.100s leads to %s, %s: no name may do that; if you mean it, "
                         "write the address (host-gateway for this machine)",
                         value->host, address, where);
    return add_row(list, address, bits, value, reterr);
}

static int ask(struct list *list, const char *database, const struct prl_value_allow *value,
               struct prl_error *reterr)
{
    char program[64], *rest = NULL, last[INET6_ADDRSTRLEN] = "";
    if (!prl_helper_find("getent", program))
        return prl_failf(
            reterr, PRL_STAGE_OPTIONS, ENOPKG, option,
            "getent, which asks for addresses, is not installed (package libc-bin): "
            "write addresses instead of %.100s",
            value->host);
    _cleanup_free_ char *answer = malloc(ANSWER_BYTES);
    const char *const argv[] = {program, database, value->host, NULL};
    if (!answer || prl_helper_read(argv, answer, ANSWER_BYTES) < 0)
        return 0; /* no address of this family */
    for (char *line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        size_t len = strcspn(line, " \t");
        if (strncmp(line, last, len) == 0 && last[len] == '\0') /* once a kind of socket */
            continue;
        snprintf(last, sizeof last, "%.*s", (int)len, line);
        int r = add_answer(list, line, value, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_own_host(const char *name)
{
    static const char names[][28] = {"host-gateway", "host.docker.internal",
                                     "host.containers.internal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int add_name(struct list *list, const struct prl_value_allow *value,
                    struct prl_error *reterr)
{
    char own[46];
    unsigned before = list->rows;
    if (is_own_host(value->host)) {
        struct prl_value_allow address = {.port = value->port};
        prl_network_own_address(AF_INET, own);
        return own[0]
                   ? add_row(list, own, 32, &address, reterr)
                   : prl_failf(reterr, PRL_STAGE_OPTIONS, EADDRNOTAVAIL, option,
                               "%s: this host has no address beyond its loopback", value->host);
    }
    int r = ask(list, "ahostsv4", value, reterr);
    prl_network_own_address(AF_INET6, own);
    if (r == 0 && own[0]) /* else every program inside would try those first, and wait */
        r = ask(list, "ahostsv6", value, reterr);
    if (r == 0 && list->rows == before)
        return prl_failf(
            reterr, PRL_STAGE_OPTIONS, ENODATA, option,
            "%.100s has no address: see what this host finds: getent ahosts %.100s",
            value->host, value->host);
    return r;
}

static int add_network(struct list *list, const struct prl_value_allow *value,
                       struct prl_error *reterr)
{
    unsigned char binary[16];
    (void)prl_allow_address(value->host, binary);
    if (value->bits >= 8 && is_within(binary, "127.0.0.0/8 *\n::1/128 *"))
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                         "%s is the container's own loopback, and the host's is never reached: "
                         "host-gateway stands for the host's own address",
                         value->host);
    return add_row(list, value->host, (unsigned)value->bits, value, reterr);
}

int prl_config_allow_resolve(const struct prl_options *options, char **ret,
                             struct prl_error *reterr)
{
    struct prl_value_allow value;
    struct list list = {0};
    free(*ret);
    *ret = NULL;
    if (!prl_options_get(options, option + 2))
        return 0;
    list.text = malloc(PRL_ALLOW_TEXT_BYTES);
    if (!list.text)
        return prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", option);
    *ret = list.text;
    for (size_t i = 0; i < options->values_len; i++) {
        if (strcmp(options->values[i].option->name, option + 2) != 0)
            continue;
        int r = prl_value_allow(option, options->values[i].text, &value, reterr);
        if (r == 0)
            r = value.bits < 0 ? add_name(&list, &value, reterr)
                               : add_network(&list, &value, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A name with two ports has its address twice. */
void prl_config_allow_hosts(const char *allow, char *text, size_t room)
{
    char address[INET6_ADDRSTRLEN], name[254], line[320];
    while (allow && *allow) {
        size_t len = strcspn(allow, "\n");
        if (sscanf(allow, "%45[^/]/%*u %*s%*1[ ]%253[^ \n]", address, name) == 2) {
            snprintf(line, sizeof line, "%s\t%s\n", address, name);
            size_t used = strlen(text);
            if (!strstr(text, line))
                snprintf(text + used, room - used, "%s", line);
        }
        allow += len + (allow[len] == '\n');
    }
}
