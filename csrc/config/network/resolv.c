/* resolv.c: the container's /etc/resolv.conf.
 * In: --dns, --dns-search, --dns-option, the host's file.  Out: text that is right inside.
 * Never: a name server on the host's loopback, which nobody inside reaches: the helper's own
 * DNS address stands in its place, and leads to it.  So the stub of systemd-resolved is asked
 * for what it alone knows (split names of a VPN).
 * Source: resolv.conf(5), systemd-resolved.service(8). */
#include "config/parts.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "config/network/facts.h"
#include "network/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { HOST_MAX_BYTES = 64 * 1024, SERVERS_MAX = 3, ADDRESS_BYTES = 64 };

#define HOST_FILE "/etc/resolv.conf"

struct host_file {
    char servers[SERVERS_MAX][ADDRESS_BYTES];
    size_t servers_len;
    char search[1024], options[512]; /* the last line of its kind counts; "": none */
};

struct text {
    char *bytes;
    size_t len, room;
};

static void append(struct text *text, const char *word, const char *value)
{
    text->len +=
        (size_t)snprintf(text->bytes + text->len, text->room - text->len, "%s%s", word, value);
}

/* The value of a line "KEYWORD VALUE"; NULL: another line. */
static const char *value_of(const char *line, const char *keyword)
{
    size_t len = strlen(keyword);
    if (strncmp(line, keyword, len) != 0 || (line[len] != ' ' && line[len] != '\t'))
        return NULL;
    return line + len + strspn(line + len, " \t");
}

static void take_line(struct host_file *file, char *line)
{
    const char *value;
    line[strcspn(line, "\r#;")] = '\0';
    if ((value = value_of(line, "nameserver")) && file->servers_len < SERVERS_MAX &&
        strcspn(value, " \t") < ADDRESS_BYTES)
        snprintf(file->servers[file->servers_len++], ADDRESS_BYTES, "%.*s",
                 (int)strcspn(value, " \t"), value);
    else if ((value = value_of(line, "search")) || (value = value_of(line, "domain")))
        snprintf(file->search, sizeof file->search, "%s", value);
    else if ((value = value_of(line, "options")))
        snprintf(file->options, sizeof file->options, "%s", value);
}

/* A host without the file has no servers. */
static void read_host(struct host_file *ret)
{
    _cleanup_free_ char *bytes = NULL;
    size_t len;
    char *rest = NULL;
    memset(ret, 0, sizeof *ret);
    if (prl_io_read_file(AT_FDCWD, HOST_FILE, HOST_MAX_BYTES, &bytes, &len) < 0)
        return;
    for (char *line = strtok_r(bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        take_line(ret, line);
}

static bool is_loopback(const char *server)
{
    return strncmp(server, "127.", 4) == 0 || strcmp(server, "::1") == 0;
}

static bool has_servers(const struct prl_options *options)
{
    return prl_options_get(options, "dns") != NULL;
}

/* The names that may be spoken to stand in /etc/hosts; a name server would be a way out. */
static bool is_filtered(const struct prl_options *options)
{
    return prl_options_get(options, "allow-host") != NULL;
}

/* Only the first one: that is where both helpers lead their address to. */
bool prl_resolv_needs_forward(const struct prl_options *options,
                              const struct prl_network_choice *choice)
{
    struct host_file file;
    if (has_servers(options) || is_filtered(options) || choice->kind <= PRL_VALUE_NETWORK_HOST)
        return false;
    read_host(&file);
    return file.servers_len > 0 && strncmp(file.servers[0], "127.", 4) == 0;
}

bool prl_resolv_wanted(const struct prl_options *options)
{
    enum prl_value_network kind = prl_config_network_kind(options);
    return has_servers(options) || prl_options_get(options, "dns-search") ||
           prl_options_get(options, "dns-option") || kind > PRL_VALUE_NETWORK_HOST ||
           (kind == PRL_VALUE_NETWORK_HOST && !prl_config_in_place(options));
}

/* A link-local server belongs to an interface that is not in the container. */
static void append_host_servers(struct text *text, const struct host_file *file,
                                const struct prl_network_choice *choice)
{
    bool own = choice->kind == PRL_VALUE_NETWORK_HOST;
    bool pasta = choice->kind == PRL_VALUE_NETWORK_PASTA;
    for (size_t i = 0; i < file->servers_len; i++) {
        const char *server = file->servers[i];
        if (own || (!is_loopback(server) && !strchr(server, '%')))
            append(text, "nameserver ", server);
        else if (i == 0 && strncmp(server, "127.", 4) == 0)
            append(text, "nameserver ", pasta ? PRL_PASTA_DNS : PRL_SLIRP_DNS);
        else
            continue;
        append(text, "\n", "");
    }
}

/* All values of a repeated option: each on a line of its own (prefix on every one), or all on
 * one. */
static void append_values(struct text *text, const struct prl_options *options,
                          const char *name, const char *keyword)
{
    bool lines = strcmp(name, "dns") == 0, begun = false;
    for (size_t i = 0; i < options->values_len; i++) {
        if (strcmp(options->values[i].option->name, name) != 0)
            continue;
        append(text, begun && !lines ? " " : keyword, options->values[i].text);
        begun = true;
        if (lines)
            append(text, "\n", "");
    }
    if (begun && !lines)
        append(text, "\n", "");
}

int prl_resolv_make(const struct prl_options *options, const struct prl_network_choice *choice,
                    char **ret, struct prl_error *reterr)
{
    struct host_file file = {0};
    struct text text = {.room = sizeof file + 256};
    for (size_t i = 0; i < options->values_len; i++)
        text.room += strlen(options->values[i].text) + 32;
    text.bytes = calloc(1, text.room);
    if (!text.bytes)
        return prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "resolv.conf");
    if (choice->kind != PRL_VALUE_NETWORK_NONE)
        read_host(&file);
    if (has_servers(options))
        append_values(&text, options, "dns", "nameserver ");
    else if (!is_filtered(options))
        append_host_servers(&text, &file, choice);
    const char *last = prl_options_get(options, "dns-search");
    if (!last || strcmp(last, ".") != 0) {
        if (last) {
            append_values(&text, options, "dns-search", "search ");
        } else if (file.search[0]) {
            append(&text, "search ", file.search);
            append(&text, "\n", "");
        }
    }
    if (prl_options_get(options, "dns-option")) {
        append_values(&text, options, "dns-option", "options ");
    } else if (file.options[0]) {
        append(&text, "options ", file.options);
        append(&text, "\n", "");
    }
    *ret = text.bytes;
    return 0;
}
