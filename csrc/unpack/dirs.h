/* dirs.h: modes and times of directories, kept until nothing more is put into them.
 * In: paths without links.  Out: the directories as the archive wants them.
 * Never: memory without a limit. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* Text of all directories' paths that is kept; more is no image. */
enum { PRL_UNPACK_DIRS_BYTES = 256 << 20 };

struct prl_unpack_dir {
    size_t path_at, path_len;
    mode_t mode;
    bool has_time;
    struct timespec mtime;
};

struct prl_unpack_dirs {
    char *text;
    size_t text_len, text_room;
    struct prl_unpack_dir *rows;
    size_t rows_len, rows_room;
};

/* A later note of the same path counts.  mtime NULL: leave the time.  -EBADMSG: too many. */
int prl_unpack_dirs_note(struct prl_unpack_dirs *dirs, const char *path, mode_t mode,
                         const struct timespec *mtime);
/* The deepest first.  What is no directory any more is passed over. */
int prl_unpack_dirs_apply(struct prl_unpack_dirs *dirs, int root_fd, struct prl_error *reterr);
void prl_unpack_dirs_free(struct prl_unpack_dirs *dirs);
