/* config_resources.c: limits: options → /linux/resources, and their enforcement.
 * In: values of --memory, --cpus, …; a plan of enforcement (csrc/cgroup.h).  Out: JSON.
 * Never: a choice of enforcement, except for --storage-size, which depends on the root's form.
 * Source: OCI runtime-spec config-linux.md, "Control groups". */
#include "cli/config_merge.h"

#include "base/error.h"
#include "base/limits.h"
#include "cgroup.h"
#include "cli/values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MEMORY_MIN_BYTES = 6 * 1024 * 1024, /* below it a program's own start fails */
    PERIOD_US = 100000,
    QUOTA_MIN_US = 1000,
    CPUS_MAX = 8192,
    CPU_TIME_MIN_NS = 1000000,
};

static yyjson_mut_val *section(struct prl_merge *m, const char *name)
{
    yyjson_mut_val *resources = prl_config_object(m, prl_config_linux(m), "resources");
    return prl_config_object(m, resources, name);
}

static uint64_t number_at(struct prl_merge *m, const char *name, const char *key)
{
    return yyjson_mut_get_uint(yyjson_mut_obj_get(section(m, name), key));
}

static bool is_best_effort(struct prl_merge *m)
{
    const char *mode = prl_config_note_get(m, "limits");
    return mode && strcmp(mode, "best-effort") == 0;
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

    if (r < 0)
        return r;
    if (bytes < MEMORY_MIN_BYTES)
        return prl_config_bad(m, EINVAL, "--memory",
                              "%.40s is less than 6m, with which no program starts", text);
    prl_config_set_number(m, section(m, "memory"), "limit", bytes);
    return 0;
}

int prl_config_resource_reservation(struct prl_merge *m, const char *text)
{
    uint64_t bytes, limit = number_at(m, "memory", "limit");
    int r = prl_value_size("--memory-reservation", text, &bytes, m->reterr);

    if (r < 0)
        return r;
    if (limit && bytes > limit)
        return prl_config_bad(m, EINVAL, "--memory-reservation",
                              "%.40s is more than --memory allows", text);
    prl_config_set_number(m, section(m, "memory"), "reservation", bytes);
    return 0;
}

int prl_config_resource_swap(struct prl_merge *m, const char *text)
{
    uint64_t bytes, limit = number_at(m, "memory", "limit");

    if (!limit)
        return prl_config_bad(m, EINVAL, "--memory-swap",
                              "it is memory and swap together: give --memory too");
    if (strcmp(text, "-1") == 0) {
        prl_config_set(m, section(m, "memory"), "swap", yyjson_mut_sint(m->doc, -1));
        return 0;
    }
    int r = prl_value_size("--memory-swap", text, &bytes, m->reterr);
    if (r < 0)
        return r;
    if (bytes < limit)
        return prl_config_bad(m, EINVAL, "--memory-swap",
                              "%.40s is less than --memory, and it is both together", text);
    prl_config_set_number(m, section(m, "memory"), "swap", bytes);
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

    if (quota_us < QUOTA_MIN_US)
        return prl_config_bad(m, EINVAL, "--cpus",
                              "\"%.40s\" is not a number of processors from 0.01 to %d: write "
                              "for example --cpus=1.5",
                              text, CPUS_MAX);
    if (prl_options_get(m->options, "cpu-quota") || prl_options_get(m->options, "cpu-period"))
        return prl_config_bad(m, EINVAL, "--cpus",
                              "it sets quota and period: leave --cpu-quota and --cpu-period "
                              "out, or --cpus");
    prl_config_set_number(m, section(m, "cpu"), "quota", quota_us);
    prl_config_set_number(m, section(m, "cpu"), "period", PERIOD_US);
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
    prl_config_note_number(m, "cpu-limit-ns", limit_ns);
    return 0;
}

struct range {
    const char *option, *section, *key;
    int64_t least, most;
};

static int set_number(struct prl_merge *m, const struct range *range, const char *text)
{
    int64_t number;
    int r = prl_value_integer(range->option, text, &number, m->reterr);

    if (r < 0)
        return r;
    if (number < range->least || number > range->most)
        return prl_config_bad(m, EINVAL, range->option,
                              "%" PRId64 " is not from %" PRId64 " to %" PRId64, number,
                              range->least, range->most);
    prl_config_set_number(m, section(m, range->section), range->key, (uint64_t)number);
    return 0;
}

int prl_config_resource_period(struct prl_merge *m, const char *text)
{
    return set_number(m, &(struct range){"--cpu-period", "cpu", "period", 1000, 1000000}, text);
}

int prl_config_resource_quota(struct prl_merge *m, const char *text)
{
    const struct range range = {"--cpu-quota", "cpu", "quota", QUOTA_MIN_US,
                                (int64_t)CPUS_MAX * 1000000};
    return set_number(m, &range, text);
}

int prl_config_resource_shares(struct prl_merge *m, const char *text)
{
    return set_number(m, &(struct range){"--cpu-shares", "cpu", "shares", 2, 262144}, text);
}

int prl_config_resource_cpuset(struct prl_merge *m, const char *text)
{
    if (!*text || strspn(text, "0123456789,-") != strlen(text))
        return prl_config_bad(m, EINVAL, "--cpuset-cpus",
                              "\"%.40s\" is not a list of processors: write for example "
                              "--cpuset-cpus=0-2,5",
                              text);
    prl_config_set_text(m, section(m, "cpu"), "cpus", text);
    return 0;
}

int prl_config_resource_pids(struct prl_merge *m, const char *text)
{
    if (strcmp(text, "-1") == 0 || strcmp(text, "0") == 0)
        return 0;
    return set_number(m, &(struct range){"--pids-limit", "pids", "limit", 1, 4194304}, text);
}

/* --- what the root's form holds --- */

/* In memory the file system's size holds it exactly; a disk is bounded by nothing a user may
 * set. */
int prl_config_storage(struct prl_merge *m)
{
    const char *text = prl_options_get(m->options, "storage-size");
    const char *upper = prl_config_note_get(m, "rootfs.upper");
    uint64_t bytes;

    prl_config_note_drop(m, "limits.storage");
    if (!text)
        return 0;
    int r = prl_value_size("--storage-size", text, &bytes, m->reterr);
    if (r < 0)
        return r;
    if (bytes == 0)
        return prl_config_bad(m, EINVAL, "--storage-size", "nothing could be written with 0");
    if (upper && strcmp(upper, "tmpfs") == 0) {
        prl_config_note(m, "limits.storage", prl_rung_name(PRL_RUNG_TMPFS));
        return 0;
    }
    if (!is_best_effort(m))
        return prl_config_bad(m, EOPNOTSUPP, "--storage-size",
                              "on a disk only its administrator's quota could enforce it: keep "
                              "the writes in memory with --ephemeral, or let each file alone "
                              "be bounded with --limits=best-effort");
    prl_config_note(m, "limits.storage", prl_rung_name(PRL_RUNG_FSIZE));
    return prl_config_rlimit(m, "RLIMIT_FSIZE", bytes, bytes);
}

/* --- what the host holds --- */

static void note(struct prl_merge *m, const char *name, const char *value)
{
    prl_config_note_drop(m, name);
    if (*value)
        prl_config_note(m, name, value);
}

/* Its root would be a group that the container shares with others. */
static void forget_cgroup_namespace(struct prl_merge *m)
{
    yyjson_mut_val *namespaces = prl_config_array(m, prl_config_linux(m), "namespaces");
    size_t at;

    if (prl_config_find(namespaces, "type", "cgroup", &at))
        yyjson_mut_arr_remove(namespaces, at);
}

static void note_rungs(struct prl_merge *m, const struct prl_limits_plan *plan)
{
    char name[48];

    for (unsigned i = 0; i < PRL_LIMITS; i++) {
        unsigned rung = plan->rungs[i];
        snprintf(name, sizeof name, "limits.%s", prl_limit_name(i));
        note(m, name, prl_rung_name(rung));
        snprintf(name, sizeof name, "limits.%s.exactness", prl_limit_name(i));
        note(m, name, prl_exactness_name(rung, plan->weak & (1u << i)));
    }
    if (plan->open)
        forget_cgroup_namespace(m);
    prl_config_note_drop(m, "limits.cgroups");
    if (*plan->groups)
        prl_config_note(m, "limits.cgroups", plan->groups);
}

int prl_config_rungs(const struct prl_limits_plan *plan, char **json, size_t *len,
                     struct prl_error *reterr)
{
    struct prl_merge m = {.reterr = reterr};
    yyjson_doc *read = yyjson_read(*json, *len, 0);
    m.doc = read ? yyjson_doc_mut_copy(read, NULL) : NULL;
    yyjson_doc_free(read);
    if (!m.doc)
        return prl_config_memory(&m);
    m.root = yyjson_mut_doc_get_root(m.doc);
    note_rungs(&m, plan);
    size_t written = 0;
    char *text = m.no_memory ? NULL : yyjson_mut_write(m.doc, 0, &written);
    yyjson_mut_doc_free(m.doc);
    if (!text)
        return prl_config_memory(&m);
    free(*json);
    *json = text;
    *len = written;
    return 0;
}
