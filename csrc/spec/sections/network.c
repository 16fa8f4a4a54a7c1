/* network.c: the texts of io.pyrootless.network*: ports, hardware addresses, the list of
 * destinations.
 * In: texts.  Out: ports as numbers, and the text of these; whether a text has its form.
 * Never: a look at the machine. */
#include "spec/notes.h"

#include "network/exports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORTS_MAX = 4096, LINE_BYTES = 96, MAC_LEN = 17 };

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

int prl_spec_read_ports(const struct prl_spec_reader *reader, const struct prl_note *note,
                        struct prl_network *ret)
{
    const char *text = note->value;
    struct prl_port *ports;
    size_t count = 1;
    for (const char *p = text; *p; p++)
        count += *p == '\n';
    if (count > PORTS_MAX)
        return prl_spec_note_fail(reader, note, "at most 4096 lines");
    int r = prl_spec_new_array(reader, count, sizeof *ports, &ports);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(text, "\n");
        char *line = prl_arena_strndup(reader->arena, text, len);
        if (!line)
            return prl_spec_no_memory(reader);
        if (!parse_port(reader, line, &ports[i]))
            return prl_spec_note_fail(
                reader, note, "lines \"tcp|udp ADDRESS|* HOST_PORT CONTAINER_PORT COUNT\"");
        text += len + (text[len] == '\n');
    }
    ret->ports = ports;
    ret->ports_len = count;
    return 0;
}

char *prl_spec_show_ports(struct prl_arena *arena, const struct prl_network *network)
{
    char *text = prl_arena_alloc(arena, network->ports_len * LINE_BYTES + 1), *end = text;
    for (size_t i = 0; text && i < network->ports_len; i++) {
        const struct prl_port *port = &network->ports[i];
        end += snprintf(end, LINE_BYTES, "%s%s %s %u %u %u", i ? "\n" : "",
                        port->udp ? "udp" : "tcp", port->address ? port->address : "*",
                        port->host, port->container, port->count);
    }
    return text;
}

static bool is_mac(const char *text)
{
    bool good = strlen(text) == MAC_LEN;
    for (size_t i = 0; good && i < MAC_LEN; i++)
        good = i % 3 == 2 ? text[i] == ':' : strchr("0123456789abcdefABCDEF", text[i]) != NULL;
    return good;
}

static bool is_list(const char *text)
{
    struct prl_allow *rows = calloc(PRL_ALLOW_MAX, sizeof *rows);
    bool good = rows && strlen(text) <= PRL_ALLOW_TEXT_BYTES &&
                prl_allow_parse_all(text, rows, PRL_ALLOW_MAX) >= 0;
    free(rows);
    return good;
}

const char *prl_spec_network_form(const char *name, const char *text)
{
    if (strcmp(name, "network.mac") == 0)
        return is_mac(text) ? NULL : "six bytes, as in 02:00:00:00:00:01";
    if (strcmp(name, "network.allow") == 0)
        return is_list(text) ? NULL : "at most 1024 lines \"ADDRESS/BITS PORT|* [NAME]\"";
    return NULL;
}
