/* resources.c: limits: options → /linux/resources, and their enforcement.
 * In: values of --memory, --cpus, …; a plan of enforcement (csrc/limits/groups.h).  Out: the
 * spec. Never: a choice of enforcement, except for --storage-size, which depends on the root's
 * form. Source: OCI runtime-spec config-linux.md, "Control groups". */
#include "config/parts.h"

#include "base/error.h"
#include "config/options/exports.h"
#include "limits/exports.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <string.h>

enum {
    MEMORY_MIN_BYTES = 6 * 1024 * 1024, /* below it a program's own start fails */
    PERIOD_US = 100000,
    QUOTA_MIN_US = 1000,
    CPUS_MAX = 8192,
    CPU_TIME_MIN_NS = 1000000,
};

/* docker's rule: 0 means that there is no such limit. */
static bool is_zero(const char *text)
{
    return *text && !text[strspn(text, "0.")] && strcmp(text, ".") != 0;
}

int prl_config_limits(struct prl_merge *m, const char *text)
{
    if (strcmp(text, "strict") != 0 && strcmp(text, "best-effort") != 0)
        return prl_config_bad(m, EINVAL, "--limits",
                              "\"%.40s\" is not understood: use strict or best-effort", text);
    prl_config_note(m, "limits", text);
    return 0;
}

int prl_config_resource_memory(struct prl_merge *m, const char *text)
{
    uint64_t bytes;
    int r = prl_value_size("--memory", text, &bytes, m->reterr);

    if (r < 0 || bytes == 0)
        return r;
    if (bytes < MEMORY_MIN_BYTES)
        return prl_config_bad(m, EINVAL, "--memory",
                              "%.40s is less than 6m, with which no program starts", text);
    m->spec->resources.memory_bytes = bytes;
    return 0;
}

int prl_config_resource_reservation(struct prl_merge *m, const char *text)
{
    uint64_t bytes, limit = m->spec->resources.memory_bytes;
    int r = prl_value_size("--memory-reservation", text, &bytes, m->reterr);

    if (r < 0 || bytes == 0)
        return r;
    if (limit && bytes > limit)
        return prl_config_bad(m, EINVAL, "--memory-reservation",
                              "%.40s is more than --memory allows", text);
    m->spec->resources.reservation_bytes = bytes;
    return 0;
}

int prl_config_resource_swap(struct prl_merge *m, const char *text)
{
    uint64_t bytes, limit = m->spec->resources.memory_bytes;

    if (is_zero(text))
        return 0;
    if (!limit)
        return prl_config_bad(m, EINVAL, "--memory-swap",
                              "it is memory and swap together: give --memory too");
    if (strcmp(text, "-1") == 0) {
        m->spec->resources.swap_bytes = UINT64_MAX;
        return 0;
    }
    int r = prl_value_size("--memory-swap", text, &bytes, m->reterr);
    if (r < 0)
        return r;
    if (bytes < limit)
        return prl_config_bad(m, EINVAL, "--memory-swap",
                              "%.40s is less than --memory, and it is both together", text);
    m->spec->resources.swap_bytes = bytes;
    return 0;
}

/* "1.5" → 1500 thousandths; 0: not such a number. */
static uint64_t thousandths(const char *text)
{
    uint64_t whole = 0, part = 0, scale = 100;
    const char *at = text;

    for (; *at >= '0' && *at <= '9' && whole <= CPUS_MAX; at++)
        whole = whole * 10 + (uint64_t)(*at - '0');
    if (at == text && *at != '.')
        return 0;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10)
            part += scale * (uint64_t)(*at - '0');
    return *at || whole > CPUS_MAX ? 0 : whole * 1000 + part;
}

int prl_config_resource_cpus(struct prl_merge *m, const char *text)
{
    uint64_t share = thousandths(text), quota_us = share * PERIOD_US / 1000;

    if (is_zero(text))
        return 0;
    if (quota_us < QUOTA_MIN_US)
        return prl_config_bad(m, EINVAL, "--cpus",
                              "\"%.40s\" is not a number of processors from 0.01 to %d: write "
                              "for example --cpus=1.5",
                              text, CPUS_MAX);
    if (prl_options_get(m->options, "cpu-quota") || prl_options_get(m->options, "cpu-period"))
        return prl_config_bad(m, EINVAL, "--cpus",
                              "it sets quota and period: leave --cpu-quota and --cpu-period "
                              "out, or --cpus");
    m->spec->resources.quota_us = quota_us;
    m->spec->resources.period_us = PERIOD_US;
    return 0;
}

int prl_config_resource_cpu_time(struct prl_merge *m, const char *text)
{
    uint64_t limit_ns = 0;
    int r = prl_value_duration("--cpu-time", text, &limit_ns, m->reterr);

    if (r < 0)
        return r;
    if (limit_ns < CPU_TIME_MIN_NS)
        return prl_config_bad(m, EINVAL, "--cpu-time",
                              "%.40s is less than 1ms, with which no program starts", text);
    m->spec->resources.cpu_time_ns = limit_ns;
    return 0;
}

int prl_config_resource_number(struct prl_merge *m, const char *text)
{
    struct prl_resources *to = &m->spec->resources;
    const struct {
        const char *option;
        uint64_t *to;
        int64_t least, most;
        bool endless; /* -1: no limit */
    } rows[] = {
        {"--cpu-period", &to->period_us, 1000, 1000000, false},
        {"--cpu-quota", &to->quota_us, QUOTA_MIN_US, (int64_t)CPUS_MAX * 1000000, true},
        {"--cpu-shares", &to->shares, 2, 262144, false},
        {"--pids-limit", &to->pids, 1, 4194304, true},
    };
    size_t at = 0;
    int64_t number;

    while (strcmp(rows[at].option + 2, m->option) != 0)
        at++;
    if (is_zero(text) || (rows[at].endless && strcmp(text, "-1") == 0))
        return 0;
    int r = prl_value_integer(rows[at].option, text, &number, m->reterr);

    if (r < 0)
        return r;
    if (number < rows[at].least || number > rows[at].most)
        return prl_config_bad(m, EINVAL, rows[at].option,
                              "%" PRId64 " is not from %" PRId64 " to %" PRId64, number,
                              rows[at].least, rows[at].most);
    *rows[at].to = (uint64_t)number;
    return 0;
}

int prl_config_resource_cpuset(struct prl_merge *m, const char *text)
{
    if (!*text || strspn(text, "0123456789,-") != strlen(text))
        return prl_config_bad(m, EINVAL, "--cpuset-cpus",
                              "\"%.40s\" is not a list of processors: write for example "
                              "--cpuset-cpus=0-2,5",
                              text);
    m->spec->resources.cpus = prl_config_copy(m, text);
    return 0;
}

/* --- what the root's form holds --- */

/* In memory the file system's size holds it exactly; a disk is bounded by nothing a user may
 * set. */
int prl_config_storage(struct prl_merge *m)
{
    const char *text = prl_config_storage_size(m->options);
    uint8_t *enforcement = &m->spec->resources.held_by[PRL_LIMIT_STORAGE];
    uint64_t bytes;

    *enforcement = PRL_BY_UNSET;
    if (!text)
        return 0;
    int r = prl_value_size("--storage-size", text, &bytes, m->reterr);
    if (r < 0)
        return r;
    if (bytes == 0)
        return prl_config_bad(m, EINVAL, "--storage-size", "nothing could be written with 0");
    if (m->spec->rootfs.upper == PRL_UPPER_TMPFS) {
        *enforcement = PRL_BY_TMPFS;
        return 0;
    }
    if (!m->spec->resources.best_effort)
        return prl_config_bad(m, EOPNOTSUPP, "--storage-size",
                              "on a disk only its administrator's quota could enforce it: keep "
                              "the writes in memory with --ephemeral, or let each file alone "
                              "be bounded with --limits=best-effort");
    *enforcement = PRL_BY_FSIZE;
    return prl_config_rlimit(m, "RLIMIT_FSIZE", bytes, bytes);
}

/* --- what the host holds --- */

int prl_config_enforcement(const struct prl_limits_plan *plan, struct prl_spec *spec,
                           struct prl_error *reterr)
{
    const struct prl_spec_reader reader = {.arena = spec->arena, .reterr = reterr};
    const char *groups = *plan->groups ? plan->groups : NULL;

    memcpy(spec->resources.held_by, plan->held_by, sizeof plan->held_by);
    spec->resources.weak = plan->weak;
    if (plan->open) /* its root would be a group that the container shares with others */
        spec->namespaces &= ~(uint64_t)CLONE_NEWCGROUP;
    int r = prl_spec_note_set(&reader, spec, "io.pyrootless.limits.cgroups", groups);
    return r < 0 ? r : prl_spec_check(spec, reterr);
}
