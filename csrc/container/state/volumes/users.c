/* users.c: which containers have a volume.
 * In: its directory.  Out: ids, by the links in users/.  Never: a container's files. */
#include "container/state/volumes/parts.h"

#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct found {
    char (*ids)[PRL_ID_LEN + 1];
    size_t len, room;
    bool tidy, no_memory;
};

static bool take_user(int users_fd, const struct prl_dirent *entry, void *data)
{
    struct found *found = data;
    struct stat st;
    if (!prl_entry_is_id(entry->d_name))
        return true;
    if (fstatat(users_fd, entry->d_name, &st, 0) < 0) { /* the container is gone */
        if (found->tidy && (errno == ENOENT || errno == ENOTDIR))
            unlinkat(users_fd, entry->d_name, 0);
        return true;
    }
    if (found->len == found->room) {
        size_t room = found->room ? 2 * found->room : 8;
        void *larger = reallocarray(found->ids, room, sizeof *found->ids);
        found->no_memory = !larger;
        if (!larger)
            return false;
        found->ids = larger;
        found->room = room;
    }
    memcpy(found->ids[found->len++], entry->d_name, PRL_ID_LEN + 1);
    return true;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

int prl_volume_users(int dir_fd, bool tidy, char (**ret)[PRL_ID_LEN + 1], size_t *ret_len)
{
    struct found found = {.tidy = tidy};
    *ret = NULL;
    *ret_len = 0;
    _cleanup_close_ int fd =
        openat(dir_fd, "users", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    bool whole = prl_state_each(fd, take_user, &found);
    if (!whole) {
        free(found.ids);
        return found.no_memory ? -ENOMEM : -EIO;
    }
    if (found.len)
        qsort(found.ids, found.len, sizeof *found.ids, by_id);
    *ret = found.ids;
    *ret_len = found.len;
    return 0;
}

int prl_volume_join(int dir_fd, const struct prl_state *state)
{
    char target[PATH_MAX], link[8 + PRL_ID_LEN];
    if (state->ephemeral)
        snprintf(target, sizeof target, "%s", state->path);
    else
        snprintf(target, sizeof target, "../../../containers/%s", state->id);
    snprintf(link, sizeof link, "users/%s", state->id);
    return symlinkat(target, dir_fd, link) < 0 && errno != EEXIST ? -errno : 0;
}
