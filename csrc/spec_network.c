/* spec_network.c: io.pyrootless.network* of /annotations → the user-mode network of a launch.
 * In: texts.  Out: helper, ports, numbers.  Never: a port or a helper without a network
 * namespace of the container's own; a look at the machine. */
#include "spec_parts.h"

#include "base/allow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define NETWORK "io.pyrootless.network"

enum { PORTS_MAX = 4096, MTU_MIN = 68, MTU_MAX = 65521, MAC_LEN = 17, ID_LEN = 64 };

struct notes {
    const struct prl_spec_reader *reader;
    yyjson_val *map;
};

static const char *note(const struct notes *from, const char *key)
{
    return yyjson_get_str(yyjson_obj_get(from->map, key));
}

static int fail_note(const struct notes *from, const char *key, const char *expected)
{
    return prl_spec_fail(from->reader, "/annotations/%s is \"%s\", expected %s", key,
                         prl_spec_show(note(from, key)).text, expected);
}

static int read_flag(const struct notes *from, const char *key, bool *ret)
{
    const char *text = note(from, key);
    if (text && strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
        return fail_note(from, key, "0 or 1");
    *ret = text && text[0] == '1';
    return 0;
}

/* A number from 1 to max at *at, which moves behind it and the `end` that must follow. */
static bool take_number(const char **at, unsigned long max, char end, unsigned long *ret)
{
    char *behind;
    if (**at < '1' || **at > '9')
        return false;
    errno = 0;
    *ret = strtoul(*at, &behind, 10);
    if (errno != 0 || *ret > max || *behind != end)
        return false;
    *at = behind + (end != '\0');
    return true;
}

/* "tcp|udp ADDRESS|* HOST CONTAINER COUNT" */
static bool parse_port(const struct prl_spec_reader *reader, const char *line,
                       struct prl_port *ret)
{
    unsigned char binary[16];
    unsigned long host, container, count;
    size_t len = strcspn(line, " ");
    ret->udp = strncmp(line, "udp ", 4) == 0;
    if (!ret->udp && strncmp(line, "tcp ", 4) != 0)
        return false;
    const char *at = line + len + 1;
    len = strcspn(at, " ");
    char *address = prl_arena_strndup(reader->arena, at, len);
    at += len + (at[len] == ' ');
    if (!address || !take_number(&at, UINT16_MAX, ' ', &host) ||
        !take_number(&at, UINT16_MAX, ' ', &container) ||
        !take_number(&at, UINT16_MAX, '\0', &count))
        return false;
    if (host + count - 1 > UINT16_MAX || container + count - 1 > UINT16_MAX)
        return false;
    if (strcmp(address, "*") != 0) {
        if (inet_pton(AF_INET, address, binary) != 1 &&
            inet_pton(AF_INET6, address, binary) != 1)
            return false;
        ret->address = address;
    }
    ret->host = (uint16_t)host;
    ret->container = (uint16_t)container;
    ret->count = (uint16_t)count;
    return true;
}

static int read_ports(const struct notes *from, struct prl_network *ret)
{
    static const char key[] = NETWORK ".ports";
    const char *text = note(from, key);
    struct prl_port *ports;
    size_t count = 1;
    if (!text)
        return 0;
    for (const char *p = text; *p; p++)
        count += *p == '\n';
    if (count > PORTS_MAX)
        return fail_note(from, key, "at most 4096 lines");
    int r = prl_spec_new_array(from->reader, count, sizeof *ports, &ports);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(text, "\n");
        char *line = prl_arena_strndup(from->reader->arena, text, len);
        if (!line)
            return prl_spec_no_memory(from->reader);
        if (!parse_port(from->reader, line, &ports[i]))
            return fail_note(from, key,
                             "lines \"tcp|udp ADDRESS|* HOST_PORT CONTAINER_PORT COUNT\"");
        text += len + (text[len] == '\n');
    }
    ret->ports = ports;
    ret->ports_len = count;
    return 0;
}

static int read_helper(const struct notes *from, struct prl_network *ret)
{
    const char *text = note(from, NETWORK);
    const char *program = note(from, NETWORK ".program");
    if (text && strcmp(text, "pasta") == 0)
        ret->helper = PRL_NETWORK_PASTA;
    else if (text && strcmp(text, "slirp4netns") == 0)
        ret->helper = PRL_NETWORK_SLIRP;
    else if (text)
        return fail_note(from, NETWORK, "pasta or slirp4netns");
    if (!text != !program)
        return prl_spec_fail(from->reader, "/annotations/" NETWORK " and " NETWORK
                                           ".program need each other");
    if (program && *program != '/')
        return fail_note(from, NETWORK ".program", "an absolute path");
    return prl_spec_copy_text(from->reader, yyjson_obj_get(from->map, NETWORK ".program"),
                              &ret->program);
}

static int read_mtu(const struct notes *from, struct prl_network *ret)
{
    const char *text = note(from, NETWORK ".mtu");
    unsigned long mtu = 0;
    if (text && (!take_number(&text, MTU_MAX, '\0', &mtu) || mtu < MTU_MIN))
        return fail_note(from, NETWORK ".mtu", "a number of bytes from 68 to 65521");
    ret->mtu = (uint32_t)mtu;
    return 0;
}

static int read_mac(const struct notes *from, struct prl_network *ret)
{
    static const char key[] = NETWORK ".mac";
    const char *text = note(from, key);
    bool good = !text || strlen(text) == MAC_LEN;
    for (size_t i = 0; good && text && i < MAC_LEN; i++)
        good = i % 3 == 2 ? text[i] == ':' : strchr("0123456789abcdefABCDEF", text[i]) != NULL;
    if (!good)
        return fail_note(from, key, "six bytes, as in 02:00:00:00:00:01");
    return prl_spec_copy_text(from->reader, yyjson_obj_get(from->map, key), &ret->mac);
}

static int read_allow(const struct notes *from, struct prl_network *ret)
{
    static const char key[] = NETWORK ".allow";
    const char *text = note(from, key);
    struct prl_allow *rows;
    if (!text)
        return 0;
    if (ret->dns_forward || ret->gateway)
        return prl_spec_fail(from->reader,
                             "/annotations/%s does not go with " NETWORK
                             ".dns-forward or " NETWORK ".gateway",
                             key);
    int r = prl_spec_new_array(from->reader, PRL_ALLOW_MAX, sizeof *rows, &rows);
    if (r < 0)
        return r;
    if (strlen(text) > PRL_ALLOW_TEXT_BYTES ||
        prl_allow_parse_all(text, rows, PRL_ALLOW_MAX) < 0)
        return fail_note(from, key, "at most 1024 lines \"ADDRESS/BITS PORT|* [NAME]\"");
    return prl_spec_copy_text(from->reader, yyjson_obj_get(from->map, key), &ret->allow);
}

/* The network of another container comes with its user namespace, to which it belongs. */
static int read_container(const struct notes *from, struct prl_spec *ret)
{
    static const char key[] = NETWORK ".container", hex[] = "0123456789abcdef";
    const char *text = note(from, key);
    if (!text)
        return 0;
    if (strlen(text) != ID_LEN || strspn(text, hex) != ID_LEN)
        return fail_note(from, key, "the id of a container, 64 hexadecimal digits");
    if (ret->network.helper != PRL_NETWORK_ALONE || !(ret->namespaces & CLONE_NEWNET))
        return prl_spec_fail(from->reader,
                             "/annotations/%s needs a namespace of type network, and does not "
                             "go with " NETWORK,
                             key);
    return prl_spec_copy_text(from->reader, yyjson_obj_get(from->map, key),
                              &ret->network.container);
}

/* What only a helper can do needs one, and a helper needs a namespace to work on. */
static int check_network(const struct notes *from, const struct prl_spec *spec)
{
    static const char keys[][36] = {NETWORK ".ports",   NETWORK ".mtu",
                                    NETWORK ".mac",     NETWORK ".dns-forward",
                                    NETWORK ".gateway", NETWORK ".allow"};
    if (spec->network.helper != PRL_NETWORK_ALONE) {
        if (spec->namespaces & CLONE_NEWNET)
            return 0;
        return prl_spec_fail(from->reader,
                             "/annotations/" NETWORK " needs a new namespace of type network");
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (note(from, keys[i]))
            return prl_spec_fail(from->reader, "/annotations/%s needs " NETWORK, keys[i]);
    return 0;
}

int prl_spec_read_network(const struct prl_spec_reader *reader, yyjson_val *annotations,
                          struct prl_spec *ret)
{
    const struct notes from = {.reader = reader, .map = annotations};
    int r = read_helper(&from, &ret->network);
    if (r == 0)
        r = read_ports(&from, &ret->network);
    if (r == 0)
        r = read_mtu(&from, &ret->network);
    if (r == 0)
        r = read_mac(&from, &ret->network);
    if (r == 0)
        r = read_flag(&from, NETWORK ".dns-forward", &ret->network.dns_forward);
    if (r == 0)
        r = read_flag(&from, NETWORK ".gateway", &ret->network.gateway);
    if (r == 0)
        r = read_allow(&from, &ret->network);
    if (r == 0)
        r = read_container(&from, ret);
    return r < 0 ? r : check_network(&from, ret);
}
