/* update.c: options of `update` → another form of a container's spec.
 * In: the spec of its config.json, options.  Out: the same spec with other limits and another
 * restart policy.  Never: what was not named changed. */
#include "config/life/update.h"
#include "config/parts.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

enum { PIDS_MOST = 4194304 /* the kernel's own (PID_MAX_LIMIT) */ };

/* A limit that is there already is as large as can be. */
static int apply_pids(struct prl_merge *m, const char *text)
{
    struct prl_resources *res = &m->spec->resources;
    bool endless = strcmp(text, "-1") == 0 || strcmp(text, "0") == 0;
    if (!endless)
        return prl_config_resource_number(m, text);
    res->pids = res->pids ? PIDS_MOST : 0;
    return 0;
}

static int apply_memory(struct prl_merge *m, const char *text)
{
    const struct prl_resources *res = &m->spec->resources;
    int r = prl_config_resource_memory(m, text);
    if (r < 0 || !res->swap_bytes || res->swap_bytes >= res->memory_bytes ||
        prl_options_get(m->options, "memory-swap"))
        return r;
    return prl_config_bad(m, EINVAL, "--memory",
                          "Memory limit should be smaller than already set memoryswap limit, "
                          "update the memoryswap at the same time");
}

static int apply_restart(struct prl_merge *m, const char *text)
{
    const char *remove = prl_config_note_get(m, "remove");
    if (remove && strcmp(remove, "1") == 0)
        return prl_config_bad(m, EINVAL, "--restart",
                              "Restart policy cannot be updated because AutoRemove is enabled "
                              "for the container");
    return prl_config_restart(m, text);
}

static const struct {
    char name[20];
    prl_config_apply apply;
} rows[] = {
    {"memory", apply_memory},
    {"memory-reservation", prl_config_resource_reservation},
    {"memory-swap", prl_config_resource_swap},
    {"cpus", prl_config_resource_cpus},
    {"cpu-period", prl_config_resource_number},
    {"cpu-quota", prl_config_resource_number},
    {"cpu-shares", prl_config_resource_number},
    {"cpuset-cpus", prl_config_resource_cpuset},
    {"pids-limit", apply_pids},
    {"restart", apply_restart},
};

static int apply_all(struct prl_merge *m)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < sizeof rows / sizeof *rows; i++)
        r = prl_config_apply_option(m, rows[i].name, rows[i].apply);
    return r;
}

int prl_config_update(struct prl_spec *spec, const struct prl_options *options,
                      struct prl_error *reterr)
{
    const struct prl_config_facts none = {.id = NULL};
    return prl_config_run(spec, options, &none, apply_all, reterr);
}
