/* store.h: volumes: directories of the store that outlive containers.
 * In: the engine's directories, names.  Out: DATA/volumes/NAME, made, held, listed, removed.
 * Never: a directory that something else made, or whose record is damaged: it is named and left
 * alone; a container's own files.
 *
 *   DATA/volumes/NAME/          flock'd shared by the monitor of each container that has it,
 *                               exclusively by who removes it
 *     _data/                    its files
 *     volume.json               when it was made, labels, options
 *     users/ID                  link to the directory of a container that has it, running or
 * not filling                   flock'd while the image's files are copied into an empty one;
 *                               left over: the copy was broken off, and is made again
 *
 * A start takes the lock before it makes its link, and a removal looks at the links under its
 * own lock: so one of the two wins, and the other sees it.  A link that leads nowhere is
 * nobody's (its container was removed, or killed with --rm), as with names. */
#pragma once

#include "container/state/record.h"

#define PRL_VOLUME_ANONYMOUS "com.docker.volume.anonymous" /* docker's label */

/* Labels and options are "KEY=VALUE" each, up to a NULL; NULL: none. */
struct prl_volume_want {
    const char *name;
    const char *const *labels, *const *options;
    bool anonymous; /* nobody named it; like its container it need not outlive a crash of the
                       machine */
};

/* 1: there is one already.  Errors: PRL_STAGE_VOLUMES; EBADMSG: what is there is no volume;
 * EINVAL: no name, or an option that cannot be had without root. */
int prl_volume_make(const struct prl_dirs *dirs, const struct prl_volume_want *want,
                    struct prl_error *reterr);

/* One volume of a container that is about to start, or runs. */
struct prl_held_volume {
    const struct prl_volume *volume;
    char
        *device; /* a directory of the host that it stands for; NULL: it has files of its own */
    int lock_fd, filling_fd; /* -1 */
};
struct prl_held_volumes {
    struct prl_held_volume *held;
    size_t len;
};

/* All that the spec names: made where they are missing, locked, and linked to the container;
 * says in each row of spec->volumes whether it is to be filled.  On failure nothing is held. */
int prl_volumes_hold(const struct prl_dirs *dirs, const struct prl_state *state,
                     struct prl_spec *spec, struct prl_held_volumes *ret,
                     struct prl_error *reterr);
/* The program was started, or will not be: what was copied is whole, or counts as not begun. */
void prl_volumes_settle(struct prl_held_volumes *held, bool started);
void prl_volumes_release(struct prl_held_volumes *held);

/* The end of a container, whose directory is still there: its links go, and with `remove` the
 * volumes that nobody named and nobody else has.  store_fd: DATA. */
int prl_volumes_leave(int store_fd, const char *id, const char *directory, bool remove);

/* Errors: PRL_STAGE_VOLUMES; ESRCH: there is none; EBUSY: a container has it; EBADMSG. */
int prl_volume_remove(const struct prl_dirs *dirs, const char *name, struct prl_error *reterr);

/* One volume as it lies on disk. */
struct prl_volume_row {
    char *name;
    char *record;      /* the text of volume.json; NULL: it is damaged */
    char (*users)[65]; /* ids of the containers that have it */
    size_t users_len;
    int errnum; /* why there is no record */
};
/* All entries of DATA/volumes, in no order. */
int prl_volume_list(const struct prl_dirs *dirs, struct prl_volume_row **ret, size_t *ret_len,
                    struct prl_error *reterr);
/* One of them.  Errors: PRL_STAGE_VOLUMES, ESRCH. */
int prl_volume_look(const struct prl_dirs *dirs, const char *name, struct prl_volume_row *ret,
                    struct prl_error *reterr);
void prl_volume_rows_free(struct prl_volume_row *rows, size_t len);
