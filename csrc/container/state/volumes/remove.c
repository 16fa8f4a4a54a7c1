/* remove.c: a volume taken away, and what a container leaves of its volumes at its end.
 * In: a name; a container's config.json.  Out: the directory is gone at once, by one rename
 * into the trash.  Never: one that a container has; what is no volume. */
#include "container/state/volumes/parts.h"

#include "base/io.h"
#include "base/own.h"
#include "base/span.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int move_to_trash(int store_fd, const char *name)
{
    char path[16 + NAME_MAX], target[48];
    unsigned budget = UINT_MAX;
    int r = prl_volume_token("trash/volume-", target, sizeof target);
    snprintf(path, sizeof path, "volumes/%s", name);
    if (r == 0)
        r = prl_dirs_mkdir(store_fd, "trash", 0700);
    if (r >= 0)
        r = renameat(store_fd, path, store_fd, target) < 0 ? -errno : 0;
    if (r < 0)
        return r;
    _cleanup_close_ int trash_fd = openat(store_fd, "trash", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (trash_fd >= 0) /* what is left a sweep takes */
        (void)prl_io_remove_tree_foreign(trash_fd, target + strlen("trash/"), &budget);
    return 0;
}

int prl_volume_take_away(int store_fd, const char *name)
{
    char(*users)[PRL_ID_LEN + 1];
    size_t len = 0;
    _cleanup_close_ int fd = prl_volume_open(store_fd, name, true);
    if (fd < 0)
        return fd == -EBUSY ? 1 : fd;
    int r = prl_volume_record_read(fd, NULL, NULL);
    if (r == 0)
        r = prl_volume_users(fd, true, &users, &len);
    if (r < 0)
        return r;
    free(users);
    return len ? 1 : move_to_trash(store_fd, name);
}

int prl_volume_remove(const struct prl_dirs *dirs, const char *name, struct prl_error *reterr)
{
    bool plain = *name && *name != '.' && !strchr(name, '/');
    int r = plain && dirs->data_fd >= 0 ? prl_volume_take_away(dirs->data_fd, name) : -ENOENT;
    if (r == 0)
        return 0;
    if (r == 1)
        return prl_failf(reterr, PRL_STAGE_VOLUMES, EBUSY, "remove",
                         "remove %.96s: volume is in use", name);
    if (r == -ENOENT)
        return prl_failf(reterr, PRL_STAGE_VOLUMES, ESRCH, "volume",
                         "get %.96s: no such volume", name);
    if (r == -EBADMSG)
        return prl_failf(reterr, PRL_STAGE_VOLUMES, EBADMSG, "open",
                         "%s/volumes/%s is no volume of pyrootless, or its record is damaged",
                         dirs->data, name);
    return prl_failf(reterr, PRL_STAGE_VOLUMES, -r, "remove", "cannot remove the volume %s: %s",
                     name, strerror(-r));
}

/* The annotation that names the container's volumes, as text, malloc'd; NULL: it has none.
 * Escapes other than of the line end stay: no name has one. */
static char *read_rows(const char *directory)
{
    struct prl_span json = {NULL, 0}, value;
    _cleanup_free_ char *bytes = NULL;
    if (prl_state_read(directory, PRL_STATE_CONFIG, &bytes, &json.len) < 0)
        return NULL;
    json.at = bytes;
    if (!prl_span_find(json, "annotations", "io.pyrootless.volumes", &value) || value.len < 2)
        return NULL;
    char *text = strndup(value.at + 1, value.len - 2);
    for (char *at = text; at && (at = strstr(at, "\\n"));)
        memcpy(at, " \n", 2);
    return text;
}

/* "named|anonymous copy|nocopy NAME DESTINATION" */
static int leave_one(int store_fd, char *line, const char *id, bool remove)
{
    char *save = NULL, path[32 + NAME_MAX + PRL_ID_LEN];
    const char *kind = strtok_r(line, " ", &save), *how = strtok_r(NULL, " ", &save),
               *name = how ? strtok_r(NULL, " ", &save) : NULL;
    if (!kind || !name || strchr(name, '/') || *name == '.')
        return 0;
    if (snprintf(path, sizeof path, "volumes/%s/users/%s", name, id) >= (int)sizeof path)
        return 0;
    (void)unlinkat(store_fd, path, 0);
    int r = remove && strcmp(kind, "anonymous") == 0 ? prl_volume_take_away(store_fd, name) : 0;
    return r == -ENOENT || r == -EBADMSG ? 0 : r < 0 ? r : 0;
}

int prl_volumes_leave(int store_fd, const char *id, const char *directory, bool remove)
{
    char *save = NULL;
    int result = 0;
    _cleanup_free_ char *text = read_rows(directory);
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        int r = leave_one(store_fd, line, id, remove);
        result = r < 0 ? r : result;
    }
    return result;
}
