/* identity.c: who the container is: id, name, labels, annotations, host name.
 * In: option values, the facts of this start.  Out: annotations, hostname, namespaces, sysctls,
 * the small files. Never: writing a file. */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/network/facts.h"
#include "config/network/shared.h"
#include "config/options/exports.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char NOTE[] = "io.pyrootless.";

static bool shares_hosts_network(const struct prl_options *options)
{
    const char *network = prl_options_get(options, "network");

    return network && strcmp(network, "host") == 0;
}

void prl_config_identity(struct prl_merge *m)
{
    prl_config_note_drop(m, "template.version");
    prl_config_note_drop(m, "template.sources");
    prl_config_note(m, "id", m->facts->id);
    /* One template serves every name of an image; by digest it is asked for by its own ID. */
    if (m->options->image && !prl_options_flag(m->options, "rootfs") &&
        strncmp(m->options->image, "sha256:", 7) != 0)
        prl_config_note(m, "image", m->options->image);
    if (m->facts->name)
        prl_config_note(m, "name", m->facts->name);
}

int prl_config_name(struct prl_merge *m, const char *text)
{
    if (!m->facts->name)
        prl_config_note(m, "name", text);
    return 0;
}

int prl_config_label(struct prl_merge *m, const char *text)
{
    size_t len = strcspn(text, "=");
    char key[256];

    if (len == 0 || len + sizeof NOTE + 6 > sizeof key)
        return prl_config_bad(m, EINVAL, "--label",
                              "\"%.60s\" is not KEY=VALUE with a key of at most 200 bytes",
                              text);
    snprintf(key, sizeof key, "%slabel.%.*s", NOTE, (int)len, text);
    return prl_spec_note_set(&m->reader, m->spec, key, text[len] ? text + len + 1 : "");
}

int prl_config_annotation(struct prl_merge *m, const char *text)
{
    size_t len = strcspn(text, "=");

    if (len == 0 || !text[len])
        return prl_config_bad(m, EINVAL, "--annotation",
                              "\"%.60s\" is not KEY=VALUE: write for example --annotation "
                              "org.example.task=42",
                              text);
    if (strncmp(text, NOTE, sizeof NOTE - 1) == 0)
        return prl_config_bad(
            m, EINVAL, "--annotation",
            "keys that begin with %s are the engine's own: use the option that "
            "sets %.60s",
            NOTE, text);
    _cleanup_free_ char *key = strndup(text, len);
    if (!key)
        return prl_config_memory(m);
    return prl_spec_note_set(&m->reader, m->spec, key, text + len + 1);
}

int prl_config_sysctl(struct prl_merge *m, const char *text)
{
    struct prl_value_sysctl sysctl;
    bool own_network = !shares_hosts_network(m->options) && !m->facts->shared_network;
    int r = prl_value_sysctl("--sysctl", text, own_network, &sysctl, m->reterr);

    if (r < 0)
        return r;
    _cleanup_free_ char *key = strndup(text, sysctl.key_len);
    if (!key)
        return prl_config_memory(m);
    struct prl_sysctl *list = (struct prl_sysctl *)(uintptr_t)m->spec->sysctls;
    for (size_t i = 0; i < m->spec->sysctls_len; i++)
        if (strcmp(list[i].key, key) == 0)
            return prl_spec_read_sysctl(&m->reader, key, sysctl.value, &list[i]);
    list = prl_spec_grow(&m->reader, list, m->spec->sysctls_len, sizeof *list);
    if (!list)
        return prl_config_memory(m);
    m->spec->sysctls = list;
    return prl_spec_read_sysctl(&m->reader, key, sysctl.value, &list[m->spec->sysctls_len++]);
}

/* The container's host name; false: none (host network, none asked for). */
static bool host_name(const struct prl_options *options, const struct prl_config_facts *facts,
                      char ret[65])
{
    const char *asked = prl_options_get(options, "hostname");

    if (!asked && (shares_hosts_network(options) || prl_config_host_uts(options)))
        return false;
    snprintf(ret, 65, asked ? "%s" : "%.12s", asked ? asked : facts->id);
    return true;
}

void prl_config_hostname(struct prl_merge *m)
{
    char name[65];

    m->spec->hostname = host_name(m->options, m->facts, name) ? prl_config_copy(m, name) : NULL;
}

static bool is_etc(const char *text, size_t len)
{
    while (len > 1 && text[len - 1] == '/')
        len--;
    return len == 4 && memcmp(text, "/etc", 4) == 0;
}

static bool is_mounted_on_etc(const struct prl_option_value *value)
{
    const char *name = value->option->name, *text = value->text;
    size_t first = strcspn(text, ":");

    if (strcmp(name, "tmpfs") == 0)
        return is_etc(text, first);
    if (strcmp(name, "volume") == 0)
        return text[first] && is_etc(text + first + 1, strcspn(text + first + 1, ":"));
    if (strcmp(name, "mount") != 0)
        return false;
    for (size_t len; *text; text += len + (text[len] == ',')) {
        len = strcspn(text, ",");
        const char *value_at = memchr(text, '=', len);
        bool target = *text == 'd' || *text == 't'; /* dst, destination, target */
        if (target && value_at && is_etc(value_at + 1, (size_t)(text + len - value_at - 1)))
            return true;
    }
    return false;
}

/* What the image has in /etc is hidden, and what the launcher would put there goes above. */
static bool hides_etc(const struct prl_options *options)
{
    for (size_t i = 0; i < options->values_len; i++)
        if (is_mounted_on_etc(&options->values[i]))
            return true;
    return false;
}

/* /etc/hosts is the launcher's own when a name has to be in it that the image cannot know.  In
 * a root used in place only what was asked for is touched. */
static bool has_hosts(const struct prl_options *options, const struct prl_config_facts *facts)
{
    bool asked = prl_options_get(options, "add-host") || prl_options_get(options, "hostname");

    return facts->container_dir &&
           (asked || hides_etc(options) ||
            prl_config_network_kind(options) > PRL_VALUE_NETWORK_HOST ||
            (!prl_config_in_place(options) && !shares_hosts_network(options)));
}

static bool has_resolv(const struct prl_options *options, const struct prl_config_facts *facts)
{
    bool shared = facts->shared_network && facts->shared_network->resolv;

    return facts->container_dir && (shared || prl_resolv_wanted(options) || hides_etc(options));
}

static bool has_hostname(const struct prl_options *options,
                         const struct prl_config_facts *facts)
{
    char name[65];

    return facts->container_dir && (prl_options_get(options, "hostname") ||
                                    (hides_etc(options) && host_name(options, facts, name)));
}

/* The image's /etc/hostname is the link that shows what the kernel says. */
static bool shows_kernel_name(struct prl_merge *m)
{
    static const char target[] = "/proc/sys/kernel/hostname";
    const char *const *dirs = prl_config_root_dirs(m);
    char path[PATH_MAX], link[sizeof target];

    for (; dirs && *dirs; dirs++) {
        if (snprintf(path, sizeof path, "%s/etc/hostname", *dirs) >= (int)sizeof path)
            return false;
        ssize_t n = readlink(path, link, sizeof link);
        if (n >= 0 || errno == EINVAL)
            return n == sizeof target - 1 && memcmp(link, target, sizeof target - 1) == 0;
    }
    return false;
}

/* Above what the user mounts on /etc; of a directory of the caller's above what it has alone:
 * nothing is made in there. */
static void bind_above(struct prl_merge *m, const struct prl_mount *etc, const char *name,
                       const struct prl_config_mount *mount)
{
    char path[PATH_MAX];
    bool known = snprintf(path, sizeof path, "%s/%s", etc->source, name) < (int)sizeof path;

    if (etc->bind && (!known || access(path, F_OK) < 0))
        return;
    int r = prl_config_add_mount(m, mount);
    if (r < 0 && m->failed == 0)
        m->failed = r;
}

static void bind_file(struct prl_merge *m, const char *name)
{
    const struct prl_mount *etc = prl_config_taken(m, "/etc");
    bool readonly =
        prl_options_flag(m->options, "read-only") || prl_options_flag(m->options, "ephemeral");
    char source[PATH_MAX], target[32];

    snprintf(source, sizeof source, "%s/%s", m->facts->container_dir, name);
    snprintf(target, sizeof target, "/etc/%s", name);
    const struct prl_config_mount mount = {
        .type = "bind",
        .source = source,
        .target = target,
        .words = {"bind", "rprivate", "nosuid", "nodev", "noexec", readonly ? "ro" : "rw"}};
    if (prl_config_taken(m, target)) /* the user's own file goes before ours */
        return;
    if (etc)
        bind_above(m, etc, name, &mount);
    else
        prl_config_place_mount(m, &mount);
}

void prl_config_bind_files(struct prl_merge *m)
{
    if (has_hosts(m->options, m->facts))
        bind_file(m, "hosts");
    if (has_hostname(m->options, m->facts) && (hides_etc(m->options) || !shows_kernel_name(m)))
        bind_file(m, "hostname");
    if (has_resolv(m->options, m->facts))
        bind_file(m, "resolv.conf");
}

static const char HOSTS[] = "127.0.0.1\tlocalhost\n"
                            "::1\tlocalhost ip6-localhost ip6-loopback\n"
                            "fe00::0\tip6-localnet\n"
                            "ff00::0\tip6-mcastprefix\n"
                            "ff02::1\tip6-allnodes\n"
                            "ff02::2\tip6-allrouters\n";

/* What host-gateway stands for, or why for nothing. */
static int resolve_gateway(const struct prl_network_choice *choice, struct prl_value_host *host,
                           struct prl_error *reterr)
{
    static const char option[] = "--add-host";
    if (strcmp(host->address, "host-gateway") != 0)
        return 0;
    if (choice->gateway[0]) {
        memcpy(host->address, choice->gateway, sizeof host->address);
        return 0;
    }
    if (choice->kind == PRL_VALUE_NETWORK_NONE)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                         "host-gateway needs a network between host and container: add "
                         "--network auto");
    if (choice->kind == PRL_VALUE_NETWORK_CONTAINER)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                         "host-gateway is what the other container has: the names "
                         "host.docker.internal and its own are here too");
    if (choice->kind == PRL_VALUE_NETWORK_PASTA)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                         "host-gateway needs a newer pasta (passt of August 2024): take "
                         "--network slirp4netns");
    return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option,
                     "host-gateway: this host has no address beyond its loopback");
}

static int make_hosts(const struct prl_options *options, const struct prl_config_facts *facts,
                      const struct prl_network_choice *choice, char **ret,
                      struct prl_error *reterr)
{
    static const char internal[] = "host.docker.internal host.containers.internal";
    const struct prl_shared_network *other = facts->shared_network;
    const char *begin = other && other->hosts ? other->hosts : HOSTS;
    char name[65] = "";
    struct prl_value_host host;
    size_t len = 0, room = strlen(begin) + 192 + options->values_len * (sizeof host + 2);
    _cleanup_free_ char *text = malloc(room);

    if (!text)
        return prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "hosts");
    len += (size_t)snprintf(text, room, "%s", begin);
    if (host_name(options, facts, name))
        len += (size_t)snprintf(text + len, room - len, "127.0.1.1\t%s\n", name);
    for (size_t i = 0; i < options->values_len; i++) {
        if (strcmp(options->values[i].option->name, "add-host") != 0)
            continue;
        int r = prl_value_host("--add-host", options->values[i].text, &host, reterr);
        if (r == 0)
            r = resolve_gateway(choice, &host, reterr);
        if (r < 0)
            return r;
        len += (size_t)snprintf(text + len, room - len, "%s\t%s\n", host.address, host.name);
    }
    if (choice->gateway[0] && choice->kind > PRL_VALUE_NETWORK_HOST)
        snprintf(text + len, room - len, "%s\t%s\n", choice->gateway, internal);
    *ret = steal_ptr(&text);
    return 0;
}

/* Names that were looked up before the start, instead of a name server. */
static int add_allowed(const char *allow, char **content, struct prl_error *reterr)
{
    size_t len = strlen(*content);
    size_t room = len + strlen(allow) + 1; /* a row is longer than its line */
    char *more = realloc(*content, room);
    if (!more) {
        free(*content);
        *content = NULL;
        return prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "hosts");
    }
    prl_config_allow_hosts(allow, more, room);
    *content = more;
    return 0;
}

static int add_file(struct prl_config_file ret[PRL_CONFIG_FILES], int *count, const char *name,
                    char *content, struct prl_error *reterr)
{
    if (!content)
        return prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", name);
    ret[(*count)++] = (struct prl_config_file){.name = name, .content = content};
    return 0;
}

static int make_files(const struct prl_options *options, const struct prl_config_facts *facts,
                      struct prl_config_file ret[PRL_CONFIG_FILES], int *count,
                      struct prl_error *reterr)
{
    struct prl_network_choice choice;
    char name[65] = "", line[72], *content = NULL;
    const struct prl_shared_network *other = facts->shared_network;
    int r = prl_network_choose(options, facts->data_dir, &choice, reterr);

    host_name(options, facts, name);
    if (r == 0 && has_hosts(options, facts)) {
        r = make_hosts(options, facts, &choice, &content, reterr);
        if (r == 0 && facts->allow)
            r = add_allowed(facts->allow, &content, reterr);
        if (r == 0)
            r = add_file(ret, count, "hosts", content, reterr);
    }
    if (r == 0 && has_hostname(options, facts)) {
        snprintf(line, sizeof line, "%s\n", name);
        r = add_file(ret, count, "hostname", strdup(line), reterr);
    }
    if (r == 0 && has_resolv(options, facts)) {
        content = other ? strdup(other->resolv) : NULL;
        r = other ? 0 : prl_resolv_make(options, &choice, &content, reterr);
        if (r == 0)
            r = add_file(ret, count, "resolv.conf", content, reterr);
    }
    return r;
}

int prl_config_files(const struct prl_options *options, const struct prl_config_facts *facts,
                     struct prl_config_file ret[PRL_CONFIG_FILES], struct prl_error *reterr)
{
    int count = 0, r = make_files(options, facts, ret, &count, reterr);

    while (r < 0 && count > 0)
        free(ret[--count].content);
    return r < 0 ? r : count;
}
