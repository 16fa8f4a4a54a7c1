/* dirs.c: modes and times of directories, kept until nothing more is put into them.
 * In: paths without links.  Out: the directories as the archive wants them.
 * Never: a link followed: a path that has become something else is skipped. */
#include "unpack/parts.h"

#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The root of a layer always keeps its owner's permissions on disk, whatever the archive says:
 * a start reads it as an ordinary user, and a container's / is a directory of its own. */
enum { KEPT_OF_ROOT = S_IRWXU };

/* Twice the room, or more when that is not enough. */
static int grow(void *p, size_t *room, size_t need, size_t size)
{
    if (need <= *room)
        return 0;
    size_t more = *room ? *room * 2 : 64;
    if (more < need)
        more = need;
    void *grown = realloc(*(void **)p, more * size);
    if (!grown)
        return -ENOMEM;
    *(void **)p = grown;
    *room = more;
    return 0;
}

int prl_unpack_dirs_note(struct prl_unpack_dirs *dirs, const char *path, mode_t mode,
                         const struct timespec *mtime)
{
    size_t len = strlen(path);
    if (dirs->text_len + len + 1 > PRL_UNPACK_DIRS_BYTES)
        return -EBADMSG;
    int r = grow(&dirs->text, &dirs->text_room, dirs->text_len + len + 1, 1);
    if (r >= 0)
        r = grow(&dirs->rows, &dirs->rows_room, dirs->rows_len + 1, sizeof *dirs->rows);
    if (r < 0)
        return r;
    memcpy(dirs->text + dirs->text_len, path, len + 1);
    dirs->rows[dirs->rows_len++] = (struct prl_unpack_dir){
        .path_at = dirs->text_len,
        .path_len = len,
        .mode = mode,
        .has_time = mtime != NULL,
        .mtime = mtime ? *mtime : (struct timespec){0},
    };
    dirs->text_len += len + 1;
    return 0;
}

/* A path is longer than those of the directories above it; of equal ones the later comes
 * first. */
static int compare(const void *a, const void *b, void *text)
{
    const struct prl_unpack_dir *one = a, *other = b;
    if (one->path_len != other->path_len)
        return one->path_len > other->path_len ? -1 : 1;
    const char *base = text;
    int order = memcmp(base + one->path_at, base + other->path_at, one->path_len);
    if (order != 0)
        return order;
    return one->path_at > other->path_at ? -1 : 1;
}

static int apply_one(const char *path, const struct prl_unpack_dir *row, int root_fd,
                     struct prl_error *reterr)
{
    char shown[PRL_UNPACK_SHOWN];
    _cleanup_close_ int fd =
        prl_sys_open_in_root_nofollow(root_fd, path[0] ? path : ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 0;
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_LAYER, "openat2", prl_unpack_path_show(path, shown));
    mode_t mode = path[0] ? row->mode : row->mode | KEPT_OF_ROOT;
    if (fchmod(fd, mode) < 0)
        return prl_fail(reterr, PRL_STAGE_LAYER, "fchmod", prl_unpack_path_show(path, shown));
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, row->mtime};
    if (row->has_time && futimens(fd, times) < 0)
        return prl_fail(reterr, PRL_STAGE_LAYER, "utimensat",
                        prl_unpack_path_show(path, shown));
    return 0;
}

int prl_unpack_dirs_apply(struct prl_unpack_dirs *dirs, int root_fd, struct prl_error *reterr)
{
    if (dirs->rows_len == 0)
        return 0;
    qsort_r(dirs->rows, dirs->rows_len, sizeof *dirs->rows, compare, dirs->text);
    const char *done = NULL;
    for (size_t i = 0; i < dirs->rows_len; i++) {
        const char *path = dirs->text + dirs->rows[i].path_at;
        if (done && strcmp(done, path) == 0)
            continue;
        done = path;
        int r = apply_one(path, &dirs->rows[i], root_fd, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

void prl_unpack_dirs_free(struct prl_unpack_dirs *dirs)
{
    free(dirs->text);
    free(dirs->rows);
    *dirs = (struct prl_unpack_dirs){0};
}
