/* groups.c: the control groups of the process, and the limits set in them.
 * In: a stopped process.  Out: 0 or the first difference.
 * Never: a limit that something else enforces (check.c reads the resource limits).
 * Source: cgroups(7), "/proc/PID/cgroup"; cgroup-v2.rst; cgroup-v1/memory.rst. */
#include "verify/check.h"

#include "base/io.h"
#include "base/own.h"
#include "limits/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 4096, PAGE_BYTES_MAX = 65536 };

/* Does this line "ID:CONTROLLERS:PATH" tell of the group's last two names, "pyrootless-ID/box",
 * and of one of its controllers? */
static bool is_in(const char *line, const struct prl_cgroup *group)
{
    char list[128], end[PATH_MAX];
    const char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    size_t len = strcspn(line, "\n");
    if (!second || (size_t)(second - first) > sizeof list)
        return false;
    snprintf(list, sizeof list, "%.*s", (int)(second - first - 1), first + 1);
    unsigned known = prl_controllers_parse(list, ",");
    bool other = (group->controllers & PRL_CONTROL_OTHER) && known == 0;
    bool mine =
        group->version2 ? *list == '\0' : *list && (other || (known & group->controllers));
    int n = snprintf(end, sizeof end, "%s/box", strrchr(group->path, '/'));
    return mine && n < (int)sizeof end && len >= (size_t)n &&
           memcmp(line + len - n, end, (size_t)n) == 0;
}

static int check_place(const char *text, const struct prl_cgroup *group,
                       struct prl_error *reterr)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (is_in(line, group))
            return 0;
    return prl_verify_differs("control group", group->path, "the process elsewhere", reterr);
}

/* The kernel rounds bytes down to pages. */
static int check_file(const struct prl_cgroup *group, const char *name, uint64_t asked,
                      struct prl_error *reterr)
{
    char path[PATH_MAX], wanted[PRL_VERIFY_TEXT];
    _cleanup_free_ char *text = NULL;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", group->path, name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : prl_io_read_stream(fd, FILE_MAX_BYTES, &text, &len);
    if (r < 0)
        return prl_verify_unread(name, -r, reterr);
    text[strcspn(text, "\n")] = '\0';
    char *end;
    uint64_t found = strtoull(text, &end, 10);
    uint64_t slack = strstr(name, "mem") ? PAGE_BYTES_MAX : 1;
    if (end != text && found <= asked && asked - found < slack)
        return 0;
    snprintf(wanted, sizeof wanted, "%" PRIu64, asked);
    return prl_verify_differs(name, wanted, text, reterr);
}

static int check_limits(const struct prl_resources *res, const struct prl_cgroup *group,
                        struct prl_error *reterr)
{
    bool two = group->version2;
    const struct {
        enum prl_limit limit;
        unsigned controller;
        const char *name;
        uint64_t asked;
    } rows[] = {
        {PRL_LIMIT_MEMORY, PRL_CONTROL_MEMORY, two ? "memory.max" : "memory.limit_in_bytes",
         res->memory_bytes},
        {PRL_LIMIT_PIDS, PRL_CONTROL_PIDS, "pids.max", res->pids + res->pids_own},
        {PRL_LIMIT_CPUS, PRL_CONTROL_CPU, two ? "cpu.max" : "cpu.cfs_quota_us", res->quota_us},
    };
    enum prl_enforcement enforcement = two ? PRL_BY_CGROUP2 : PRL_BY_CGROUP1;
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof rows / sizeof *rows; i++)
        if ((res->asked & (1u << rows[i].limit)) &&
            res->held_by[rows[i].limit] == enforcement &&
            (group->controllers & rows[i].controller))
            r = check_file(group, rows[i].name, rows[i].asked, reterr);
    return r;
}

int prl_verify_groups(const struct prl_verify *v, struct prl_error *reterr)
{
    const struct prl_resources *res = &v->spec->resources;
    _cleanup_free_ char *text = NULL;
    if (res->cgroups_len == 0)
        return 0;
    int r = prl_verify_read(v, "cgroup", &text, reterr);
    for (size_t i = 0; r == 0 && i < res->cgroups_len; i++) {
        r = check_place(text, &res->cgroups[i], reterr);
        if (r == 0)
            r = check_limits(res, &res->cgroups[i], reterr);
    }
    return r;
}
