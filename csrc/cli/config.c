/* config.c: options + launch template → config.json.
 * In: template bytes, options, facts about this start.  Out: config.json bytes.
 * Never: writing a file; a default of its own where the template has one.
 *
 * The table below is the one place where an option meets its effect.  Its order is the order of
 * work, not of the command line: a row may rely on every row above it. */
#include "cli/config_merge.h"

#include "base/error.h"
#include "base/own.h"
#include "cli/config_needs.h"
#include "cli/values.h"

#include <linux/capability.h>
#include <string.h>

static int apply_init(struct prl_merge *m, const char *text)
{
    prl_config_note(m, "init", strcmp(text, "true") == 0 ? "1" : "0");
    return 0;
}

static int apply_verify(struct prl_merge *m, const char *text)
{
    prl_config_note(m, "verify", strcmp(text, "true") == 0 ? "1" : "0");
    return 0;
}

static int apply_stop_signal(struct prl_merge *m, const char *text)
{
    int signal = 0;
    int r = prl_value_signal("--stop-signal", text, &signal, m->reterr);

    if (r >= 0)
        prl_config_note_number(m, "stop-signal", (uint64_t)signal);
    return r;
}

static int apply_stop_timeout(struct prl_merge *m, const char *text)
{
    prl_config_note(m, "stop-timeout", text);
    return 0;
}

static int apply_timeout(struct prl_merge *m, const char *text)
{
    uint64_t limit_ns = 0;
    int r = prl_value_duration("--timeout", text, &limit_ns, m->reterr);

    if (r >= 0)
        prl_config_note_number(m, "wall-limit-ns", limit_ns);
    return r;
}

#define PLAIN  PRL_NEEDS_NOTHING
#define GROUPS PRL_NEEDS_GROUPS
#define PATH   PRL_NEEDS_PATH
#define DISK   (PRL_NEEDS_PATH | PRL_NEEDS_GROUPS)
#define HELPER PRL_NEEDS_NETWORK
#define LINES  PRL_NEEDS_LINES
#define ROOT   PRL_NEEDS_ROOT
#define OTHER  PRL_NEEDS_MORE

static const struct {
    const char *name;
    prl_config_apply apply;
    unsigned needs; /* enum prl_config_needs; beside its text and the facts */
} rows[] = {
    {"rootfs", prl_config_rootfs, ROOT},
    {"network", prl_config_keep_user,
     HELPER}, /* of the other container; the rest: prl_config_network */
    {"privileged", prl_config_privileged, PLAIN},
    {"seccomp-program", prl_config_seccomp_program, OTHER},
    {"security-opt", prl_config_security_opt, PLAIN},
    {"cap-add", prl_config_cap_add, PLAIN},
    {"cap-drop", prl_config_cap_drop, PLAIN},
    {"userns", prl_config_keep_user, PLAIN}, /* after prl_config_userns, before everything */
    {"user", prl_config_user, PLAIN},
    {"group-add", prl_config_group_add, PLAIN},
    {"workdir", prl_config_workdir, PLAIN},
    {"env-file", prl_config_env_file, LINES},
    {"env", prl_config_env, PLAIN},
    {"tty", prl_config_terminal, PLAIN},
    {"entrypoint", prl_config_entrypoint, PLAIN},
    {"init", apply_init, PLAIN},
    {"verify", apply_verify, PLAIN},
    {"stop-signal", apply_stop_signal, PLAIN},
    {"stop-timeout", apply_stop_timeout, PLAIN},
    {"timeout", apply_timeout, PLAIN},
    {"ulimit", prl_config_ulimit, PLAIN},
    {"limits", prl_config_limits, PLAIN},
    {"memory", prl_config_resource_memory, GROUPS},
    {"memory-reservation", prl_config_resource_reservation, GROUPS},
    {"memory-swap", prl_config_resource_swap, GROUPS},
    {"cpu-time", prl_config_resource_cpu_time, GROUPS},
    {"cpus", prl_config_resource_cpus, GROUPS},
    {"cpu-period", prl_config_resource_period, GROUPS},
    {"cpu-quota", prl_config_resource_quota, GROUPS},
    {"cpu-shares", prl_config_resource_shares, GROUPS},
    {"cpuset-cpus", prl_config_resource_cpuset, GROUPS},
    {"pids-limit", prl_config_resource_pids, GROUPS},
    {"device-read-bps", prl_config_throttle_read_bps, DISK},
    {"device-write-bps", prl_config_throttle_write_bps, DISK},
    {"device-read-iops", prl_config_throttle_read_iops, DISK},
    {"device-write-iops", prl_config_throttle_write_iops, DISK},
    {"io-max", prl_config_io_max, DISK},
    {"name", prl_config_name, PLAIN},
    {"label-file", prl_config_label_file, LINES},
    {"label", prl_config_label, PLAIN},
    {"annotation", prl_config_annotation, PLAIN},
    {"sysctl", prl_config_sysctl, PLAIN},
    {"volume", prl_config_volume, PATH},
    {"mount", prl_config_mount_option, PATH},
    {"tmpfs", prl_config_tmpfs, PLAIN},
    {"device", prl_config_device, PATH},
    {"shm-size", prl_config_shm_size, PLAIN},
    {"read-only", prl_config_read_only, PLAIN},
};

/* Options whose effect depends on others: the function beside them reads them all. */
static const struct {
    char name[20];
    unsigned needs;
} later[] = {
    {"publish", HELPER}, /* prl_config_network */
    {"publish-all", OTHER},
    {"mac-address", PLAIN},
    {"allow-host", OTHER},
    {"read-only-tmpfs", PLAIN}, /* prl_config_read_only */
    {"fake-root", PLAIN},       /* prl_config_fake_root */
    {"ephemeral", PLAIN},       /* prl_config_upper */
    {"ephemeral-size", PLAIN},
    {"ephemeral-inodes", PLAIN},
    {"rm", PLAIN},
    {"storage-size", PLAIN},   /* prl_config_storage */
    {"no-holder", PLAIN},      /* prl_config_id_maps */
    {"storage-driver", PLAIN}, /* prl_config_storage_driver */
    {"hostname", PLAIN},       /* prl_config_hostname */
    {"add-host", PLAIN},       /* prl_config_bind_files */
    {"dns", PLAIN},
    {"dns-search", PLAIN},
    {"dns-option", PLAIN},
};

/* What an option needs beside its text; NULL: no row has it. */
static const unsigned *find_needs(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i].needs;
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (strcmp(later[i].name, name) == 0)
            return &later[i].needs;
    return NULL;
}

bool prl_config_applies(const char *name)
{
    return find_needs(name) != NULL;
}

/* The network of a text: its own, the host's, a helper's, another container's. */
static unsigned network_needs(const char *text)
{
    if (strcmp(text, "none") == 0 || strcmp(text, "host") == 0)
        return PRL_NEEDS_NOTHING;
    return strncmp(text, "container:", 10) == 0 ? PRL_NEEDS_MORE : PRL_NEEDS_NETWORK;
}

/* A free port is another one each time. */
static unsigned publish_needs(const char *text)
{
    struct prl_value_publish port;
    struct prl_error ignored;
    bool fixed = prl_value_publish("--publish", text, &port, &ignored) == 0 && port.host;
    return fixed ? PRL_NEEDS_NETWORK : PRL_NEEDS_MORE;
}

/* Of what may let the program mount: spec.c, prl_spec_may_mount. */
static unsigned power_needs(const char *name, const char *text)
{
    static const char fences[][16] = {"seccomp", "nested-userns", "landlock"};
    uint64_t mask = 0;
    struct prl_error ignored;
    bool power = false;
    if (strcmp(name, "privileged") == 0)
        power = strcmp(text, "true") == 0;
    else if (strcmp(name, "cap-add") == 0)
        power = prl_value_capability("--cap-add", text, &mask, &ignored) == 0 &&
                (mask >> CAP_SYS_ADMIN & 1);
    for (size_t i = 0; i < 3 && strcmp(name, "security-opt") == 0; i++)
        power |= strncmp(text, fences[i], strlen(fences[i])) == 0;
    return power ? PRL_NEEDS_HIERARCHIES : PRL_NEEDS_NOTHING;
}

/* Options of which the text says how much they ask. */
static unsigned text_needs(const char *name, const char *text, unsigned otherwise)
{
    if (strcmp(name, "env") == 0 && !strchr(text, '='))
        return PRL_NEEDS_VARIABLE;
    if (strcmp(name, "network") == 0)
        return network_needs(text);
    if (strcmp(name, "publish") == 0)
        return publish_needs(text);
    if (strcmp(name, "rootfs") == 0 && strcmp(text, "true") != 0)
        return PRL_NEEDS_NOTHING;
    if (strcmp(name, "storage-driver") == 0 && strcmp(text, "fuse-overlayfs") == 0)
        return PRL_NEEDS_MORE;
    return otherwise | power_needs(name, text);
}

unsigned prl_config_needs(const char *name, const char *text)
{
    const unsigned *needs = find_needs(name);
    return needs ? text_needs(name, text, *needs) : PRL_NEEDS_MORE;
}

/* Every value of a repeated option in the order given; of another the last alone. */
int prl_config_apply_option(struct prl_merge *m, const char *name, prl_config_apply apply)
{
    const char *last = prl_options_get(m->options, name);

    for (size_t i = 0; last && i < m->options->values_len; i++) {
        const struct prl_option_value *value = &m->options->values[i];
        if (strcmp(value->option->name, name) != 0)
            continue;
        int r = apply(m, value->option->repeat ? value->text : last);
        if (r < 0 || !value->option->repeat)
            return r;
    }
    return 0;
}

static int apply_all(struct prl_merge *m)
{
    prl_config_identity(m);
    int r = prl_config_userns(m);
    if (r >= 0)
        r = prl_config_network(m);
    for (size_t i = 0; r >= 0 && i < sizeof rows / sizeof *rows; i++)
        r = prl_config_apply_option(m, rows[i].name, rows[i].apply);
    if (r >= 0)
        r = prl_config_image_user(m);
    if (r >= 0)
        r = prl_config_guard_template(m);
    if (r >= 0)
        r = prl_config_capabilities(m);
    if (r >= 0)
        r = prl_config_fake_root(m);
    if (r >= 0)
        r = prl_config_home(m);
    if (r >= 0)
        r = prl_config_args(m);
    if (r >= 0)
        r = prl_config_upper(m);
    if (r >= 0)
        r = prl_config_storage(m);
    if (r >= 0)
        r = prl_config_id_maps(m);
    if (r >= 0)
        r = prl_config_storage_driver(m);
    if (r < 0)
        return r;
    prl_config_hostname(m);
    prl_config_bind_files(m);
    prl_config_finish_mounts(m);
    return m->no_memory ? prl_config_memory(m) : 0;
}

int prl_config_open(struct prl_merge *m, const char *json, size_t len)
{
    yyjson_read_err why;
    yyjson_doc *read = yyjson_read_opts((char *)json, len, 0, NULL, &why);

    if (!read)
        return prl_failf(m->reterr, PRL_STAGE_CONFIG, EINVAL, "template",
                         "the image's launch template is not JSON (byte %zu: %s): prepare the "
                         "image again",
                         why.pos, why.msg);
    bool object = yyjson_is_obj(yyjson_doc_get_root(read));
    m->doc = object ? yyjson_doc_mut_copy(read, NULL) : NULL;
    yyjson_doc_free(read);
    if (!object)
        return prl_failf(m->reterr, PRL_STAGE_CONFIG, EINVAL, "template",
                         "the image's launch template is not a JSON object: prepare the image "
                         "again");
    m->root = yyjson_mut_doc_get_root(m->doc);
    m->user_mounts = yyjson_mut_arr(m->doc);
    return m->doc && m->user_mounts ? 0 : prl_config_memory(m);
}

/* Arguments are bytes, JSON is text. */
static int fail_write(struct prl_merge *m, const yyjson_write_err *why)
{
    if (why->code != YYJSON_WRITE_ERROR_INVALID_STRING)
        return prl_config_memory(m);
    return prl_failf(m->reterr, PRL_STAGE_CONFIG, EILSEQ, "config.json",
                     "an argument, a variable or a path is not UTF-8, which a container's "
                     "configuration cannot hold");
}

int prl_config_close(struct prl_merge *m, int r, char **ret_json, size_t *ret_len)
{
    if (r >= 0) {
        yyjson_write_err why;
        *ret_json = yyjson_mut_write_opts(m->doc, 0, NULL, ret_len, &why);
        r = *ret_json ? 0 : fail_write(m, &why);
    }
    yyjson_mut_doc_free(m->doc);
    m->doc = NULL;
    return r;
}

int prl_config_merge(const char *template_json, size_t template_len,
                     const struct prl_options *options, const struct prl_config_facts *facts,
                     char **ret_json, size_t *ret_len, struct prl_error *reterr)
{
    struct prl_merge m = {.options = options, .facts = facts, .reterr = reterr};
    int r = prl_config_open(&m, template_json, template_len);

    if (r >= 0)
        r = apply_all(&m);
    r = prl_config_close(&m, r, ret_json, ret_len);
    return r < 0 ? r : m.machine;
}
