/* groups.c: the control groups that a container's directory names.
 * In: config.json, and the link `freezer` to a group that was made for a pause.  Out: one of
 * them that can be frozen; all of them thawed, or removed. Never: a group whose name is not
 * pyrootless-ID. */
#include "base/io.h"
#include "base/own.h"
#include "base/span.h"
#include "container/state/entry.h"
#include "limits/exports.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* The annotation that names the groups, as text: "VERSION CONTROLLERS PATH" a line, malloc'd.
 * NULL: there are none.  Paths have no letter whose escape is longer than two. */
static char *read_lines(const char *directory)
{
    struct prl_span json = {NULL, 0}, value;
    _cleanup_free_ char *bytes = NULL;
    if (prl_state_read(directory, PRL_STATE_CONFIG, &bytes, &json.len) < 0)
        return NULL;
    json.at = bytes;
    if (!prl_span_find(json, "annotations", "io.pyrootless.limits.cgroups", &value) ||
        value.len < 2)
        return NULL;
    char *text = strndup(value.at + 1, value.len - 2), *to = text;
    for (const char *at = text; at && *at; at++) {
        bool escaped = at[0] == '\\' && at[1];
        at += escaped;
        *to++ = escaped && *at == 'n' ? '\n' : *at;
    }
    if (text)
        *to = '\0';
    return text;
}

static bool read_link(const char *directory, char path[PATH_MAX])
{
    char link[PATH_MAX];
    int n = snprintf(link, sizeof link, "%s/freezer", directory);
    ssize_t len = n < (int)sizeof link ? readlink(link, path, PATH_MAX - 1) : -1;
    path[len > 0 ? len : 0] = '\0';
    return len > 0 && path[0] == '/';
}

/* Each that is the container's own; the first answer but 0 ends it, or is the result when
 * `all`. */
static int each(const char *id, const char *directory, bool all,
                int (*visit)(const char *path, void *data), void *data)
{
    char wanted[16 + PRL_ID_LEN], link[PATH_MAX];
    _cleanup_free_ char *text = read_lines(directory);
    char *save = NULL;
    int result = 0;
    snprintf(wanted, sizeof wanted, "/pyrootless-%.64s", id);
    const char *made = read_link(directory, link) ? link : NULL;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line || made;) {
        const char *path = line ? strchr(line, '/') : made;
        const char *slash = path ? strrchr(path, '/') : NULL;
        int r = slash && strcmp(slash, wanted) == 0 ? visit(path, data) : 0;
        result = r != 0 ? r : result;
        if (r != 0 && !all)
            return r;
        made = line ? made : NULL;
        line = line ? strtok_r(NULL, "\n", &save) : NULL;
    }
    return result;
}

static int remove_one(const char *path, void *data)
{
    (void)data;
    return prl_leaf_remove(path);
}

int prl_state_remove_groups(const char *id, const char *directory)
{
    int r = each(id, directory, true, remove_one, NULL);
    if (r == 0)
        (void)prl_state_unmark(directory, "freezer");
    return r < 0 ? r : 0;
}

static int thaw_one(const char *path, void *data)
{
    (void)data;
    if (prl_freeze_is_possible(path))
        (void)prl_freeze_set(path, false);
    return 0;
}

void prl_state_thaw(const char *id, const char *directory)
{
    (void)each(id, directory, true, thaw_one, NULL);
    (void)prl_state_unmark(directory, "paused");
}

static int take_freezable(const char *path, void *data)
{
    if (!prl_freeze_is_possible(path))
        return 0;
    snprintf(data, PATH_MAX, "%s", path);
    return 1;
}

bool prl_state_freezable(const char *id, const char *directory, char *path)
{
    return each(id, directory, false, take_freezable, path) == 1;
}

int prl_state_keep_freezer(const char *directory, const char *path)
{
    char link[PATH_MAX];
    int n = snprintf(link, sizeof link, "%s/freezer", directory);
    if (n >= (int)sizeof link)
        return -ENAMETOOLONG;
    return symlink(path, link) < 0 && errno != EEXIST ? -errno : 0;
}
