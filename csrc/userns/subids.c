/* subids.c: the subordinate ids that this machine grants the caller.
 * In: /etc/subuid, /etc/subgid, getsubids(1), /proc/self/uid_map and gid_map.  Out: ranges.
 * Never: an error for a malformed line (other tools skip them too); an id that our own user
 * namespace lacks, since no helper could map it.
 *
 * pyrootless/images/subordinate.py reads the same for launch templates. */
#include "base/io.h"
#include "base/own.h"
#include "base/process/helper.h"
#include "userns/ids.h"

#include <ctype.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX_BYTES = 1 << 20, OUTPUT_BYTES = 16384 };

/* Adds what the range and our namespace have in common. */
static void add_common(struct prl_ids *ret, uint64_t first, uint64_t count,
                       const struct prl_ids *space)
{
    if (first + count > UINT32_MAX)
        return;
    for (size_t i = 0; i < space->len; i++) {
        uint64_t low = space->ranges[i].first, high = low + space->ranges[i].count;
        uint64_t begin = first > low ? first : low;
        uint64_t end = first + count < high ? first + count : high;
        if (begin < end && prl_ids_add(ret, begin, end - begin) < 0)
            return; /* more ranges than a map takes: the first ones count */
    }
}

/* The decimal numbers of a line from `at` on, separated by `separator`; how many there were, -1
 * for anything else. */
static int numbers(const char *at, char separator, uint64_t ret[3])
{
    for (int n = 0; n < 3; n++) {
        char *end;
        at += separator == ' ' ? strspn(at, " \t") : 0;
        if (!isdigit((unsigned char)*at) || strspn(at, "0123456789") > 10)
            return -1;
        ret[n] = strtoull(at, &end, 10);
        at = end + (separator == ' ' ? strspn(end, " \t") : 0);
        if (*at == '\0')
            return n + 1;
        if (separator != ' ' && *at++ != separator)
            return -1;
    }
    return -1;
}

typedef void take_line(char *line, void *data);

static void each_line(char *text, take_line *take, void *data)
{
    for (char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        bool more = line[len] != '\0';
        line[len] = '\0';
        take(line, data);
        line += len + more;
    }
}

struct grant {
    const struct prl_ids_source *source;
    char number[24]; /* of the user */
    const struct prl_ids *space;
    struct prl_ids *ret;
};

/* NAME-or-UID:FIRST:COUNT */
static void take_grant(char *line, void *data)
{
    const struct grant *grant = data;
    uint64_t row[3];
    size_t len = strcspn(line, ":");
    if (len == 0 || line[len] == '\0')
        return;
    line[len] = '\0';
    if (strcmp(line, grant->source->login) != 0 && strcmp(line, grant->number) != 0)
        return;
    if (numbers(line + len + 1, ':', row) == 2)
        add_common(grant->ret, row[0], row[1], grant->space);
}

/* getsubids: "INDEX: NAME FIRST COUNT" */
static void take_answer(char *line, void *data)
{
    const struct grant *grant = data;
    uint64_t row[3];
    const char *name = strchr(line, ' ');
    const char *first = name ? strchr(name + 1, ' ') : NULL;
    if (first && numbers(first, ' ', row) == 2)
        add_common(grant->ret, row[0], row[1], grant->space);
}

/* INSIDE OUTSIDE COUNT */
static void take_space(char *line, void *data)
{
    uint64_t row[3];
    if (numbers(line, ' ', row) == 3)
        prl_ids_add(data, row[0], row[2]);
}

static int read_text(const char *path, char **ret)
{
    size_t len;
    int r = prl_io_read_file(AT_FDCWD, path, FILE_MAX_BYTES, ret, &len);
    if (r != -ENOENT)
        return r;
    *ret = strdup("");
    return *ret ? 0 : -ENOMEM;
}

/* Where the name service knows the ranges (LDAP), the file has no line. */
static void ask_name_service(const struct grant *grant)
{
    const struct prl_ids_source *source = grant->source;
    char path[64], answer[OUTPUT_BYTES];
    if (!source->login[0] || !prl_helper_find("getsubids", path))
        return;
    const char *const group[] = {path, source->option, source->login, NULL};
    const char *const user[] = {path, source->login, NULL};
    if (prl_helper_read(source->option ? group : user, answer, sizeof answer) == 0)
        each_line(answer, take_answer, (void *)grant);
}

static bool is_whole_machine(const struct prl_ids *space)
{
    return space->len == 1 && space->ranges[0].count == UINT32_MAX;
}

int prl_ids_read(const struct prl_ids_source *source, struct prl_ids *ret)
{
    _cleanup_free_ char *map = NULL, *text = NULL;
    struct prl_ids space = {.len = 0};
    struct grant grant = {.source = source, .space = &space, .ret = ret};
    int r = read_text(source->map, &map);
    if (r < 0)
        return r;
    each_line(map, take_space, &space);
    r = space.len ? 0 : prl_ids_add(&space, 0, UINT32_MAX);
    if (r == 0)
        r = read_text(source->file, &text);
    if (r < 0)
        return r;
    snprintf(grant.number, sizeof grant.number, "%u", (unsigned)source->user);
    /* The own id comes first and goes in the end: no range may contain it. */
    ret->len = 0;
    prl_ids_add(ret, source->own, 1);
    each_line(text, take_grant, &grant);
    if (ret->len == 1)
        ask_name_service(&grant);
    if (ret->len == 1 && source->user == 0 && !is_whole_machine(&space))
        for (size_t i = 0; i < space.len; i++)
            add_common(ret, space.ranges[i].first, space.ranges[i].count, &space);
    ret->len--;
    memmove(ret->ranges, ret->ranges + 1, ret->len * sizeof *ret->ranges);
    return 0;
}

int prl_ids_granted(struct prl_ids *ret_uids, struct prl_ids *ret_gids)
{
    char login[128]; /* "": none is known */
    const struct passwd *user = getpwuid(getuid());
    char path[64];
    snprintf(login, sizeof login, "%s", user ? user->pw_name : "");
    /* A user of a directory service, whom a static program cannot look up. */
    if (!user && prl_helper_find("id", path)) {
        const char *const argv[] = {path, "-un", NULL};
        if (prl_helper_read(argv, login, sizeof login) < 0)
            login[0] = '\0';
        login[strcspn(login, "\n")] = '\0';
    }
    const struct prl_ids_source uids = {
        "/etc/subuid", "/proc/self/uid_map", NULL, login, getuid(), getuid()};
    const struct prl_ids_source gids = {
        "/etc/subgid", "/proc/self/gid_map", "-g", login, getuid(), getgid()};
    int r = prl_ids_read(&uids, ret_uids);
    return r < 0 ? r : prl_ids_read(&gids, ret_gids);
}
