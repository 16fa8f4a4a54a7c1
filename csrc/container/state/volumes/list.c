/* list.c: volumes as they lie on disk.
 * In: DATA/volumes.  Out: a row each, with its record and who has it.  Never: a lock, so that a
 * list waits for nobody; a look at a volume's files. */
#include "container/state/volumes/parts.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <string.h>

static int read_row(int volumes_fd, const char *name, struct prl_volume_row *ret)
{
    *ret = (struct prl_volume_row){.name = strdup(name)};
    if (!ret->name)
        return -ENOMEM;
    _cleanup_close_ int fd =
        openat(volumes_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 ? (errno == ENOENT ? -ENOENT : -EBADMSG)
                   : prl_volume_record_read(fd, &ret->record, NULL);
    if (r == 0)
        r = prl_volume_users(fd, false, &ret->users, &ret->users_len);
    ret->errnum = r < 0 ? -r : 0;
    return r == -ENOMEM || r == -ENOENT ? r : 0;
}

void prl_volume_rows_free(struct prl_volume_row *rows, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free(rows[i].name);
        free(rows[i].record);
        free(rows[i].users);
    }
    free(rows);
}

static int add_row(int volumes_fd, const char *name, struct prl_volume_row **rows, size_t *len)
{
    struct prl_volume_row row = {0}, *larger = reallocarray(*rows, *len + 1, sizeof row);
    if (!larger)
        return -ENOMEM;
    *rows = larger;
    int r = read_row(volumes_fd, name, &row);
    larger[*len] = row;
    if (r == 0) {
        ++*len;
        return 0;
    }
    free(row.name);
    return r == -ENOENT ? 0 : r; /* removed this moment */
}

int prl_volume_list(const struct prl_dirs *dirs, struct prl_volume_row **ret, size_t *ret_len,
                    struct prl_error *reterr)
{
    struct prl_volume_row *rows = NULL;
    size_t len = 0;
    int r = 0;
    _cleanup_closedir_ DIR *dir =
        dirs->data_fd < 0 ? NULL : prl_io_list(dirs->data_fd, "volumes");
    if (!dir && dirs->data_fd >= 0 && errno != ENOENT)
        return prl_failf(reterr, PRL_STAGE_VOLUMES, errno, "list", "cannot list %s/volumes: %s",
                         dirs->data, strerror(errno));
    for (const struct dirent *entry; dir && r == 0 && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = add_row(dirfd(dir), entry->d_name, &rows, &len);
    if (r < 0) {
        prl_volume_rows_free(rows, len);
        return prl_fail_with(reterr, PRL_STAGE_VOLUMES, -r, "malloc", "list of volumes");
    }
    *ret = rows;
    *ret_len = len;
    return 0;
}

int prl_volume_look(const struct prl_dirs *dirs, const char *name, struct prl_volume_row *ret,
                    struct prl_error *reterr)
{
    bool plain = *name && *name != '.' && !strchr(name, '/');
    _cleanup_close_ int fd =
        !plain || dirs->data_fd < 0
            ? -1
            : openat(dirs->data_fd, "volumes", O_PATH | O_DIRECTORY | O_CLOEXEC);
    *ret = (struct prl_volume_row){0};
    int r = fd < 0 ? -ENOENT : read_row(fd, name, ret);
    if (r == 0)
        return 0;
    free(ret->name);
    ret->name = NULL;
    if (r == -ENOENT)
        return prl_failf(reterr, PRL_STAGE_VOLUMES, ESRCH, "volume",
                         "get %.96s: no such volume", name);
    return prl_fail_with(reterr, PRL_STAGE_VOLUMES, -r, "malloc", "a volume");
}
