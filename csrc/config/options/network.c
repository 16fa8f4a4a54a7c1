/* network.c: the values of --network, --publish, --dns… and --mac-address.
 * In: texts.  Out: their parts, checked.  Never: a look at the machine's network. */
#include "config/options/values.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PORT_MAX = 65535, MTU_MIN = 68, MTU_MAX = 65521 };

#define BAD(option, ...) prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option, __VA_ARGS__)

/* "80" or "80-89" of `len` bytes; false: neither, or not from least to 65535. */
static bool parse_range(const char *text, size_t len, unsigned least, unsigned ret[2])
{
    char *end;
    if (len == 0 || !isdigit((unsigned char)*text))
        return false;
    unsigned long first = strtoul(text, &end, 10), last = first;
    if (*end == '-' && end < text + len && isdigit((unsigned char)end[1]))
        last = strtoul(end + 1, &end, 10);
    if (end != text + len || first < least || last < first || last > PORT_MAX)
        return false;
    ret[0] = (unsigned)first;
    ret[1] = (unsigned)last;
    return true;
}

/* "127.0.0.1" or "[::1]", without the brackets.  An empty one is every address. */
static bool parse_address(const char *text, size_t len, char ret[46])
{
    unsigned char binary[16];
    bool bracket = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (bracket) {
        text++;
        len -= 2;
    }
    if (len >= 46)
        return false;
    memcpy(ret, text, len);
    ret[len] = '\0';
    if (len == 0)
        return !bracket;
    return bracket ? inet_pton(AF_INET6, ret, binary) == 1
                   : inet_pton(AF_INET, ret, binary) == 1;
}

/* The last ":" that is not inside brackets, before `end`; NULL: none. */
static const char *last_colon(const char *text, const char *end)
{
    while (end > text) {
        end--;
        if (*end == ']')
            return NULL;
        if (*end == ':')
            return end;
    }
    return NULL;
}

static int fail_publish(const char *option, const char *text, struct prl_error *reterr)
{
    return BAD(option,
               "\"%.60s\" is not [[ADDRESS:]HOST_PORT:]CONTAINER_PORT[/udp]: write for example "
               "8080:80, 127.0.0.1:8080:80, [::1]:8080:80 or 5000-5009:5000-5009/udp",
               text);
}

int prl_value_expose(const char *option, const char *text, struct prl_value_publish *ret,
                     struct prl_error *reterr)
{
    size_t len = strcspn(text, "/");
    const char *protocol = text[len] ? text + len + 1 : "tcp";
    unsigned range[2];

    if (!parse_range(text, len, 1, range) ||
        (strcasecmp(protocol, "tcp") != 0 && strcasecmp(protocol, "udp") != 0))
        return BAD(option, "\"%.60s\" is no port: write %s=80, %s=8000-8009 or %s=53/udp", text,
                   option, option, option);
    *ret = (struct prl_value_publish){.container = (uint16_t)range[0],
                                      .count = (uint16_t)(range[1] - range[0] + 1),
                                      .udp = strcasecmp(protocol, "udp") == 0};
    return 0;
}

int prl_value_publish(const char *option, const char *text, struct prl_value_publish *ret,
                      struct prl_error *reterr)
{
    unsigned inside[2], outside[2] = {0, 0};
    const char *slash = strchr(text, '/');
    const char *end = slash ? slash : text + strlen(text);
    const char *inner = last_colon(text, end);
    const char *outer = inner ? last_colon(text, inner) : NULL;
    *ret = (struct prl_value_publish){.udp = slash && strcmp(slash, "/udp") == 0};
    if (slash && !ret->udp && strcmp(slash, "/tcp") != 0)
        return BAD(option, "\"%.60s\": the protocol is tcp or udp", text);
    const char *container = inner ? inner + 1 : text;
    const char *host = outer ? outer + 1 : text;
    if (!parse_range(container, (size_t)(end - container), 1, inside))
        return fail_publish(option, text, reterr);
    if (inner && inner > host && !parse_range(host, (size_t)(inner - host), 0, outside))
        return fail_publish(option, text, reterr);
    if (outer && !parse_address(text, (size_t)(outer - text), ret->address))
        return fail_publish(option, text, reterr);
    /* "[::1]:80" has a bracket where a port should be */
    if (inner && !outer && memchr(text, ']', (size_t)(inner - text)))
        return fail_publish(option, text, reterr);
    if (outside[0] && outside[1] - outside[0] != inside[1] - inside[0])
        return BAD(option,
                   "\"%.60s\": %u ports of the host and %u of the container; the ranges "
                   "must be of one length",
                   text, outside[1] - outside[0] + 1, inside[1] - inside[0] + 1);
    ret->host = (uint16_t)outside[0];
    ret->container = (uint16_t)inside[0];
    ret->count = (uint16_t)(inside[1] - inside[0] + 1);
    return 0;
}

static int parse_mtu(const char *option, const char *text, uint32_t *ret,
                     struct prl_error *reterr)
{
    char *end = NULL;
    unsigned long mtu = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
    if (!end || *end || mtu < MTU_MIN || mtu > MTU_MAX)
        return BAD(option, "\"%.40s\" is no MTU: write a number of bytes from %d to %d", text,
                   MTU_MIN, MTU_MAX);
    *ret = (uint32_t)mtu;
    return 0;
}

int prl_value_network(const char *option, const char *text, enum prl_value_network *ret,
                      uint32_t *ret_mtu, struct prl_error *reterr)
{
    static const char names[][12] = {"none",  "container",   "host",
                                     "pasta", "slirp4netns", "auto"};
    size_t len = strcspn(text, ":"), i = 0;
    *ret_mtu = 0;
    while (i < sizeof names / sizeof *names &&
           (strlen(names[i]) != len || strncmp(names[i], text, len) != 0))
        i++;
    if (i == sizeof names / sizeof *names)
        return BAD(
            option,
            "there is no network \"%.60s\": write none, host, pasta, slirp4netns, auto or "
            "container:NAME",
            text);
    *ret = (enum prl_value_network)i;
    if (i == PRL_VALUE_NETWORK_CONTAINER)
        return text[len] && text[len + 1]
                   ? 0
                   : BAD(option, "the name or id of the other container is missing: write for "
                                 "example --network container:web");
    if (!text[len])
        return 0;
    if (i < PRL_VALUE_NETWORK_PASTA || strncmp(text + len, ":mtu=", 5) != 0)
        return BAD(option,
                   "\"%.60s\": the one setting is the MTU of pasta, slirp4netns or "
                   "auto, as in pasta:mtu=1500",
                   text);
    return parse_mtu(option, text + len + 5, ret_mtu, reterr);
}

int prl_value_address(const char *option, const char *text, struct prl_error *reterr)
{
    unsigned char binary[16];
    if (inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1)
        return 0;
    return BAD(option,
               "\"%.60s\" is not an IPv4 or IPv6 address: write for example %s=192.0.2.53",
               text, option);
}

int prl_value_word(const char *option, const char *text, struct prl_error *reterr)
{
    bool good = *text && strlen(text) <= 255;
    for (const char *p = text; good && *p; p++)
        good = isgraph((unsigned char)*p) && *p != '#' && *p != ';';
    return good ? 0
                : BAD(option,
                      "\"%.60s\" cannot be written to resolv.conf: write one word without "
                      "spaces",
                      text);
}

/* Unicast: the lowest bit of the first byte is 0. */
int prl_value_mac(const char *option, const char *text, struct prl_error *reterr)
{
    bool good = strlen(text) == 17;
    for (size_t i = 0; good && i < 17; i++)
        good = i % 3 == 2 ? text[i] == ':' : isxdigit((unsigned char)text[i]) != 0;
    if (good && strtoul(text, NULL, 16) % 2 == 0 && strcmp(text, "00:00:00:00:00:00") != 0)
        return 0;
    return BAD(option,
               "\"%.40s\" is no address of an interface: write six bytes, the first an "
               "even one, as in 02:00:00:00:00:01",
               text);
}
