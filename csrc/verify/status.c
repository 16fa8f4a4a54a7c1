/* status.c: who the process is and what it may, from /proc/PID/status.
 * In: a stopped process.  Out: 0 or the first difference.
 * Never: a guess where an old kernel leaves a line out: what it does not tell is not compared.
 * Source: proc_pid_status(5); capabilities(7), "Transformation of capabilities". */
#include "verify/check.h"

#include "base/own.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What stands behind "KEY:" and its blanks; NULL: there is no such line. */
static const char *find_line(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, key, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " \t");
    return NULL;
}

static int need_number(const char *text, const char *key, uint64_t asked, int base,
                       struct prl_error *reterr)
{
    const char *line = find_line(text, key);
    char wanted[PRL_VERIFY_TEXT], has[PRL_VERIFY_TEXT];
    if (!line)
        return prl_verify_unread(key, ENODATA, reterr);
    uint64_t found = strtoull(line, NULL, base);
    if (found == asked)
        return 0;
    snprintf(wanted, sizeof wanted, base == 16 ? "%016" PRIx64 : "%" PRIu64, asked);
    snprintf(has, sizeof has, base == 16 ? "%016" PRIx64 : "%" PRIu64, found);
    return prl_verify_differs(key, wanted, has, reterr);
}

/* An id of the container as this side of its map calls it. A user whom a fake root remembers is
 * for the kernel the one there is. */
static uint64_t outside(const struct prl_spec *spec, const struct prl_idmap *maps, size_t len,
                        uint32_t id)
{
    if (spec->fake_root == PRL_FAKE_ROOT_REMEMBER && len == 1 && maps[0].size == 1)
        return maps[0].host_id;
    for (size_t i = 0; i < len; i++)
        if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].size)
            return (uint64_t)maps[i].host_id + (id - maps[i].container_id);
    return UINT64_MAX;
}

/* Real, effective, saved, and that of file systems. */
static int check_ids(const char *text, const char *key, uint64_t asked,
                     struct prl_error *reterr)
{
    const char *line = find_line(text, key);
    char wanted[PRL_VERIFY_TEXT], has[PRL_VERIFY_TEXT];
    char *at = (char *)line;
    bool good = line != NULL;
    for (int i = 0; good && i < 4; i++)
        good = strtoull(at, &at, 10) == asked;
    if (good)
        return 0;
    snprintf(wanted, sizeof wanted, "%" PRIu64 " four times", asked);
    snprintf(has, sizeof has, "%.*s", line ? (int)strcspn(line, "\n") : 4,
             line ? line : "none");
    return prl_verify_differs(key, wanted, has, reterr);
}

static bool has_group(const char *line, uint64_t group)
{
    for (char *at = (char *)line, *end = at; *at && *at != '\n'; at = end) {
        uint64_t found = strtoull(at, &end, 10);
        if (end == at)
            return false;
        if (found == group)
            return true;
        end += strspn(end, " ");
    }
    return false;
}

static int check_groups(const struct prl_verify *v, const char *text, struct prl_error *reterr)
{
    const struct prl_process *p = &v->spec->process;
    const char *line = find_line(text, "Groups");
    bool claimed = v->spec->fake_root == PRL_FAKE_ROOT_REMEMBER; /* the kernel knows of none */
    char wanted[PRL_VERIFY_TEXT], has[PRL_VERIFY_TEXT];
    for (size_t i = 0; !claimed && i < p->additional_gids_len; i++) {
        uint64_t group =
            outside(v->spec, v->spec->gid_maps, v->spec->gid_maps_len, p->additional_gids[i]);
        if (line && has_group(line, group))
            continue;
        snprintf(wanted, sizeof wanted, "%" PRIu64 " among them", group);
        snprintf(has, sizeof has, "%.*s", line ? (int)strcspn(line, "\n") : 4,
                 line ? line : "none");
        return prl_verify_differs("Groups", wanted, has, reterr);
    }
    return 0;
}

static uint64_t known_capabilities(void)
{
    uint64_t known = 0;
    for (int bit = 0; bit < 64 && prctl(PR_CAPBSET_READ, bit, 0, 0, 0) >= 0; bit++)
        known |= (uint64_t)1 << bit;
    return known;
}

/* What exec makes of the sets: root gets all that the bounding set leaves it, and under
 * no_new_privs no more than it had; anybody else keeps the ambient ones. */
static uint64_t after_exec(const struct prl_process *p)
{
    uint64_t had = p->caps[PRL_CAP_PERMITTED];
    uint64_t root = p->caps[PRL_CAP_BOUNDING] | p->caps[PRL_CAP_INHERITABLE];
    if (p->uid != 0)
        return p->caps[PRL_CAP_AMBIENT];
    return p->no_new_privileges ? root & had : root;
}

static int check_capabilities(const struct prl_process *p, const char *text,
                              struct prl_error *reterr)
{
    uint64_t known = known_capabilities(), now = after_exec(p) & known;
    const struct {
        const char *key;
        uint64_t asked;
    } rows[] = {
        {"CapBnd", p->caps[PRL_CAP_BOUNDING] & known},
        {"CapInh", p->caps[PRL_CAP_INHERITABLE] & known},
        {"CapPrm", now},
        {"CapEff", now},
        {"CapAmb", p->uid == 0 ? 0 : p->caps[PRL_CAP_AMBIENT] & known},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof rows / sizeof *rows; i++)
        r = need_number(text, rows[i].key, rows[i].asked, 16, reterr);
    return r;
}

/* Filters are inherited, so ours count too.  The number stands there since Linux 5.9. */
static int check_filters(const struct prl_verify *v, const char *text, struct prl_error *reterr)
{
    _cleanup_free_ char *own = NULL;
    const struct prl_verify self = {.spec = v->spec, .pid = (pid_t)syscall(SYS_gettid)};
    int r = prl_verify_read(&self, "status", &own, reterr);
    if (r < 0)
        return r;
    const char *line = find_line(own, "Seccomp_filters");
    uint64_t inherited = line ? strtoull(line, NULL, 10) : 0;
    line = find_line(own, "Seccomp");
    bool filtered = v->filters || (line && *line == '2');
    r = need_number(text, "Seccomp", filtered ? 2 : 0, 10, reterr);
    if (r == 0 && find_line(text, "Seccomp_filters"))
        r = need_number(text, "Seccomp_filters", inherited + v->filters, 10, reterr);
    return r;
}

int prl_verify_status(const struct prl_verify *v, struct prl_error *reterr)
{
    const struct prl_spec *s = v->spec;
    const struct prl_process *p = &s->process;
    _cleanup_free_ char *text = NULL;
    int r = prl_verify_read(v, "status", &text, reterr);
    if (r == 0)
        r = check_ids(text, "Uid", outside(s, s->uid_maps, s->uid_maps_len, p->uid), reterr);
    if (r == 0)
        r = check_ids(text, "Gid", outside(s, s->gid_maps, s->gid_maps_len, p->gid), reterr);
    if (r == 0)
        r = check_groups(v, text, reterr);
    if (r == 0)
        r = check_capabilities(p, text, reterr);
    if (r == 0 && (p->no_new_privileges || find_line(text, "NoNewPrivs") == NULL))
        r = need_number(text, "NoNewPrivs", 1, 10, reterr);
    if (r == 0)
        r = check_filters(v, text, reterr);
    if (r == 0 && find_line(text, "Umask"))
        r = need_number(text, "Umask", p->umask < 0 ? 0022 : (uint64_t)p->umask, 8, reterr);
    return r;
}
