/* merge.c: options + launch template → the spec of a launch.
 * In: a template's spec, options, facts about this start.  Out: the same spec, changed.
 * Never: writing a file; a default of its own where the template has one.
 *
 * The table below is the one place where an option meets its effect.  Its order is the order of
 * work, not of the command line: a row may rely on every row above it. */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/options/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OOM_SCORE_MAX = 1000 };

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

static int apply_interactive(struct prl_merge *m, const char *text)
{
    prl_config_note(m, "interactive", strcmp(text, "true") == 0 ? "1" : NULL);
    return 0;
}

static int apply_remove(struct prl_merge *m, const char *text)
{
    prl_config_note(m, "remove", strcmp(text, "true") == 0 ? "1" : NULL);
    return 0;
}

int prl_config_restart(struct prl_merge *m, const char *text)
{
    prl_config_note(m, "restart", strcmp(text, "no") == 0 ? NULL : text);
    return 0;
}

/* One that is started later has a place on disk, and goes with its end all the same. */
static int apply_ephemeral(struct prl_merge *m, const char *text)
{
    return m->options->verb == PRL_VERB_CREATE ? apply_remove(m, text) : 0;
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

/* Of this process; 0: the kernel does not say. */
static int64_t own_oom_score_adj(void)
{
    char text[16] = "0";
    _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (n > 0)
        text[n] = '\0';
    return strtol(text, NULL, 10);
}

static int apply_oom_score_adj(struct prl_merge *m, const char *text)
{
    int64_t score = 0, own = own_oom_score_adj();
    int r = prl_value_integer("--oom-score-adj", text, &score, m->reterr);

    if (r >= 0 && score > OOM_SCORE_MAX)
        r = prl_config_bad(m, EINVAL, "--oom-score-adj", "%s is not from -1000 to %d", text,
                           OOM_SCORE_MAX);
    if (r >= 0 && score < own)
        r = prl_config_bad(m, EPERM, "--oom-score-adj",
                           "%s is less than the %lld that this process has, and only the "
                           "machine's root may go below: write %lld or more",
                           text, (long long)own, (long long)own);
    if (r < 0)
        return r;
    m->spec->process.has_oom_score_adj = true;
    m->spec->process.oom_score_adj = (int)score;
    return 0;
}

static const struct {
    const char *name;
    prl_config_apply apply;
} rows[] = {
    {"rootfs", prl_config_rootfs},
    {"network",
     prl_config_keep_user}, /* of the other container; the rest: prl_config_network */
    {"privileged", prl_config_privileged},
    {"seccomp-program", prl_config_seccomp_program},
    {"security-opt", prl_config_security_opt},
    {"cap-add", prl_config_cap_add},
    {"cap-drop", prl_config_cap_drop},
    {"userns", prl_config_keep_user}, /* after prl_config_userns, before everything */
    {"user", prl_config_user},
    {"group-add", prl_config_group_add},
    {"workdir", prl_config_workdir},
    {"env-file", prl_config_env_file},
    {"env", prl_config_env},
    {"tty", prl_config_terminal},
    {"entrypoint", prl_config_entrypoint},
    {"init", apply_init},
    {"interactive", apply_interactive},
    {"rm", apply_remove},
    {"restart", prl_config_restart},
    {"ephemeral", apply_ephemeral}, /* the rest: prl_config_upper */
    {"verify", apply_verify},
    {"stop-signal", apply_stop_signal},
    {"stop-timeout", apply_stop_timeout},
    {"timeout", apply_timeout},
    {"ulimit", prl_config_ulimit},
    {"limits", prl_config_limits},
    {"memory", prl_config_resource_memory},
    {"memory-reservation", prl_config_resource_reservation},
    {"memory-swap", prl_config_resource_swap},
    {"cpu-time", prl_config_resource_cpu_time},
    {"cpus", prl_config_resource_cpus},
    {"cpu-period", prl_config_resource_number},
    {"cpu-quota", prl_config_resource_number},
    {"cpu-shares", prl_config_resource_number},
    {"cpuset-cpus", prl_config_resource_cpuset},
    {"pids-limit", prl_config_resource_number},
    {"oom-score-adj", apply_oom_score_adj},
    {"device-read-bps", prl_config_throttle},
    {"device-write-bps", prl_config_throttle},
    {"device-read-iops", prl_config_throttle},
    {"device-write-iops", prl_config_throttle},
    {"io-max", prl_config_io_max},
    {"name", prl_config_name},
    {"health-cmd", prl_config_health_cmd},
    {"health-interval", prl_config_health_interval},
    {"health-timeout", prl_config_health_timeout},
    {"health-start-period", prl_config_health_start_period},
    {"health-start-interval", prl_config_health_start_interval},
    {"health-retries", prl_config_health_retries},
    {"no-healthcheck", prl_config_no_healthcheck}, /* not beside those */
    {"log-driver", prl_config_log_driver},
    {"log-opt", prl_config_log_opt}, /* of that driver */
    {"label-file", prl_config_label_file},
    {"label", prl_config_label},
    {"annotation", prl_config_annotation},
    {"sysctl", prl_config_sysctl},
    {"volume", prl_config_volume},
    {"mount", prl_config_mount_option},
    {"tmpfs", prl_config_tmpfs},
    {"device", prl_config_device},
    {"shm-size", prl_config_shm_size},
    {"ipc", prl_config_ipc},
    {"uts", prl_config_uts},
    {"cgroupns", prl_config_cgroupns},
    {"domainname", prl_config_domainname},
    {"read-only", prl_config_read_only},
};

/* Options whose effect depends on others: the function beside them reads them all. */
static const char later[][24] = {
    "expose",  /* prl_config_expose, before the network publishes */
    "publish", /* prl_config_network */
    "publish-all",
    "mac-address",
    "allow-host",
    "read-only-tmpfs", /* prl_config_read_only */
    "fake-root",       /* prl_config_fake_root */
    "ephemeral-size",  /* prl_config_upper */
    "ephemeral-inodes",
    "volumes-from", /* prl_config_volumes_from */
    "storage-size", /* prl_config_storage */
    "storage-opt",
    "no-holder",      /* prl_config_id_maps */
    "storage-driver", /* prl_config_storage_driver */
    "hostname",       /* prl_config_hostname */
    "add-host",       /* prl_config_bind_files */
    "dns",
    "dns-search",
    "dns-option",
};

bool prl_config_applies(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (strcmp(later[i], name) == 0)
            return true;
    return false;
}

/* Every value of a repeated option in the order given; of another the last alone. */
int prl_config_apply_option(struct prl_merge *m, const char *name, prl_config_apply apply)
{
    const char *last = prl_options_get(m->options, name);

    m->option = name;
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
        r = prl_config_apply_option(m, "expose", prl_config_expose);
    if (r >= 0)
        r = prl_config_network(m);
    for (size_t i = 0; r >= 0 && i < sizeof rows / sizeof *rows; i++)
        r = prl_config_apply_option(m, rows[i].name, rows[i].apply);
    if (r >= 0)
        r = prl_config_volumes_from(m);
    if (r >= 0)
        r = prl_config_image_volumes(m);
    if (r >= 0)
        r = prl_config_image_user(m);
    if (r >= 0)
        r = prl_config_primary_group(m);
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
    prl_config_hostname_variable(m);
    prl_config_bind_files(m);
    prl_config_finish_mounts(m);
    return 0;
}

int prl_config_run(struct prl_spec *spec, const struct prl_options *options,
                   const struct prl_config_facts *facts, int (*apply)(struct prl_merge *m),
                   struct prl_error *reterr)
{
    struct prl_merge m = {.spec = spec,
                          .reader = {.arena = spec->arena, .reterr = reterr},
                          .options = options,
                          .facts = facts,
                          .reterr = reterr};
    int r = apply(&m);
    r = r < 0 ? r : m.failed;
    return r < 0 ? r : prl_spec_check(spec, reterr);
}

int prl_config_merge(struct prl_spec *spec, const struct prl_options *options,
                     const struct prl_config_facts *facts, struct prl_error *reterr)
{
    return prl_config_run(spec, options, facts, apply_all, reterr);
}
