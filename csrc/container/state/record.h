/* record.h: container directories: create, lock, record, remove, sweep.
 * In: the engine's directories, an id or name.  Out: a locked directory.  Never: a launch, a
 * mount.  docs/reference/disk.md has the layout. */
#pragma once

#include "prl.h"

/* Where the engine lives.  Made once per process; strings are owned. */
struct prl_dirs {
    char *data; /* $PYROOTLESS_ROOT, $XDG_DATA_HOME/pyrootless or ~/.local/share/pyrootless */
    char *runtime; /* $XDG_RUNTIME_DIR/pyrootless, or /tmp/pyrootless-UID when there is none */
    int data_fd, runtime_fd; /* O_PATH|O_DIRECTORY */
};

/* root: value of --root, or NULL.  Creates what is missing (0700); refuses a runtime directory
 * another user owns. */
int prl_dirs_open(const char *root, struct prl_dirs *ret, struct prl_error *reterr);
/* The same places by their paths, and nothing made: a descriptor is -1 where there is nothing.
 * Refuses a runtime directory as prl_dirs_open does. */
int prl_dirs_look(const char *data, const char *runtime, struct prl_dirs *ret,
                  struct prl_error *reterr);
void prl_dirs_close(struct prl_dirs *dirs);

/* Where uppers go that the store's file system cannot take; it need not exist.  path: PATH_MAX
 * bytes. */
int prl_scratch_path(char *path);

/* The locks belong to the open files, not to the process: a fork shares them, so the side that
 * is not the monitor must prl_state_close, or the container would outlive its monitor's death
 * in the eyes of a sweep.  The container must not inherit them: they are close-on-exec, and an
 * init that does not exec must close them. */
struct prl_state {
    char id[65];
    char *name;  /* NULL: none */
    char *path;  /* the container's directory: DATA/containers/ID, or RUNTIME/containers/ID when
                    ephemeral */
    int dir_fd;  /* O_DIRECTORY on it */
    int lock_fd; /* RUNTIME/running/ID, flock'd exclusively while the monitor lives */
    int marker_fd;  /* the file `remove`, flock'd likewise: what other sessions see; -1: none */
    bool remove;    /* goes away when the container ends (--rm, --ephemeral) */
    bool ephemeral; /* nothing of it on disk: lives below the runtime directory */
    bool volumes;   /* it has volumes of the store, which its config.json names */
    bool again;     /* it was made before (prl_state_retake) */
    unsigned restarts; /* by its own monitor */
};

struct prl_state_options {
    const char *name; /* or NULL */
    bool named;       /* without one it gets one that is made up (words.c) */
    unsigned taken;   /* so many of these were taken already */
    bool remove, ephemeral;
    bool upper; /* make upper/ and work/ */
};

int prl_state_create(const struct prl_dirs *dirs, const struct prl_state_options *options,
                     struct prl_state *ret, struct prl_error *reterr);
/* Write config.json (O_EXCL, beside the lock).  Before the container's control groups are made:
 * a sweep finds them there. */
int prl_state_write_config(const struct prl_state *state, const char *json, size_t len,
                           struct prl_error *reterr);
/* Another one in its place, at once and under the same date. */
int prl_state_rewrite_config(const struct prl_state *state, const char *json, size_t len,
                             struct prl_error *reterr);
int prl_state_replace_config(int dir_fd, const char *directory, const char *json, size_t len,
                             struct prl_error *reterr);
/* Remember the running child, so that a sweep can end it should the monitor be killed.  From
 * here on the container has begun: one that has not is removed by finish and sweep even if it
 * was to be kept. */
int prl_state_write_child(struct prl_state *state, const struct prl_child *child,
                          struct prl_error *reterr);
/* Record how it ended (kept containers only). */
int prl_state_write_status(const struct prl_state *state, const struct prl_status *status,
                           struct prl_error *reterr);
/* Record that it did not begin, and why; one that goes with its end is to go now. */
int prl_state_write_failure(const struct prl_state *state, const struct prl_error *error,
                            struct prl_error *reterr);
/* It was started again so often since it was started; it may be read from the running entry. */
int prl_state_write_restarts(struct prl_state *state, unsigned restarts,
                             struct prl_error *reterr);
/* It is made, and nobody starts it now: released, and kept until somebody does. */
int prl_state_leave(const struct prl_dirs *dirs, struct prl_state *state,
                    struct prl_error *reterr);
/* Take a container that was made before, by name, id or the begin of one, to start it.  1: it
 * runs, and ret has its id and name alone.  Errors: PRL_STAGE_STATE; ESRCH: there is none;
 * EBUSY: somebody else starts or removes it, and does not come to an end. */
int prl_state_retake(const struct prl_dirs *dirs, const char *text, struct prl_state *ret,
                     struct prl_error *reterr);
/* The end: release the running entry; remove name and directory when they should go.  Frees the
 * state.  Idempotent. */
int prl_state_finish(const struct prl_dirs *dirs, struct prl_state *state,
                     struct prl_error *reterr);
/* Let go of the state without ending it: for the side of a fork that is not the monitor. */
void prl_state_close(struct prl_state *state);
/* A container's first process, when that was born at `start_ticks` (prl_entry_start_ticks) and
 * lives in a user namespace of this user's.  -ESRCH: it is gone; -EPERM: it lives, and no
 * container of this user's began it. */
int prl_process_hold(pid_t pid, uint64_t start_ticks, struct prl_joinable *ret);
void prl_process_release(struct prl_joinable *process);
enum prl_life {
    PRL_LIFE_CREATED,
    PRL_LIFE_RUNNING,
    PRL_LIFE_PAUSED,
    PRL_LIFE_RESTARTING, /* its monitor waits before it starts it again */
    PRL_LIFE_EXITED,
};
/* One container as it lies on disk. */
struct prl_listed {
    char id[65];
    char name[129];     /* "": none */
    char *directory;    /* owned */
    int64_t created_ns; /* since 1970: when its config.json was written; 0: it has none */
    pid_t pid;          /* 0: it does not run, or has not begun */
    uint64_t start_ticks;
    bool running; /* its monitor lives */
    enum prl_life life;
    int64_t started_ns; /* since 1970, of one that runs; else 0: status.json says it */
    unsigned restarts;  /* the same */
};
/* All that run, whatever their store, and when `kept` all that are kept in this one.  Those
 * whose monitor was killed are swept first. */
int prl_state_list(const struct prl_dirs *dirs, bool kept, struct prl_listed **ret,
                   size_t *ret_len, struct prl_error *reterr);
void prl_listed_free(struct prl_listed *rows, size_t len);
/* The one with this name, id, or unambiguous begin of an id, of those that run and those kept
 * here; swept first if its monitor was killed.  Errors: PRL_STAGE_STATE, ESRCH. */
int prl_state_look_up(const struct prl_dirs *dirs, const char *text, struct prl_listed *ret,
                      struct prl_error *reterr);
/* The files of a container's directory that others read: its configuration, how it ended,
 * the last checks of its health.  A descriptor, or -errno. */
enum prl_state_file { PRL_STATE_CONFIG, PRL_STATE_STATUS, PRL_STATE_HEALTH };
int prl_state_open(const char *directory, enum prl_state_file file);
/* The whole text.  *ret is malloc'd, NUL-terminated.  -errno. */
int prl_state_read(const char *directory, enum prl_state_file file, char **ret,
                   size_t *ret_len);
/* An annotation of config.json that is a plain word; false: it is not there. */
bool prl_state_note(const char *config, size_t len, const char *key, char *buf, size_t size);
/* An empty file that says something by being there: "stopped", "paused". */
int prl_state_mark(const char *directory, const char *name);
int prl_state_unmark(const char *directory, const char *name);
/* directory: below dir_fd, which may be AT_FDCWD. */
bool prl_state_is_marked(int dir_fd, const char *directory, const char *name);
/* The control groups that its directory names.  Removed, with the link to one that was made for
 * a pause; their processes are gone.  -errno: one is left, and is tried again by whoever comes
 * next. */
int prl_state_remove_groups(const char *id, const char *directory);
/* Those that are frozen go on, and it is paused no more. */
void prl_state_thaw(const char *id, const char *directory);
/* path (PATH_MAX): one that can be frozen.  false: it has none. */
bool prl_state_freezable(const char *id, const char *directory, char *path);
/* One that was made for a pause is found and removed with the others. */
int prl_state_keep_freezer(const char *directory, const char *path);
/* Wait some seconds at most until its monitor has recorded its end.  -ETIME: it has not. */
int prl_state_await_briefly(const struct prl_dirs *dirs, const char *id);
/* Block until its monitor has recorded its end, or was killed. */
int prl_state_await(const struct prl_dirs *dirs, const char *id, struct prl_error *reterr);
/* ended_by (the program returned, or not), exit_code and signal of status.json. */
int prl_state_read_end(const char *directory, struct prl_status *ret);
/* Another name for a container, by name, id or the begin of one.  Errors: PRL_STAGE_OPTIONS: it
 * is no name; PRL_STAGE_STATE; ESRCH: there is none; EEXIST: the name is somebody's. */
int prl_state_rename(const struct prl_dirs *dirs, const char *text, const char *name,
                     struct prl_error *reterr);
/* Who changes files of a container's directory is alone with them as long as this descriptor of
 * it is open.  -errno; -ENOENT: it is gone. */
int prl_state_hold(const char *directory);
/* Take a container away, by name, id or the begin of one: its processes (force: those of one
 * that runs as well), control groups, names, files, its entry, and (volumes) the volumes that
 * nobody named and nobody else has.  Errors: PRL_STAGE_STATE;
 * ESRCH: there is none; EBUSY: it runs, and force was not given; ETIME: it does not end on
 * SIGKILL. */
int prl_state_remove(const struct prl_dirs *dirs, const char *text, bool force, bool volumes,
                     struct prl_error *reterr);
/* One running container. */
struct prl_running {
    char id[65];
    char *directory; /* owned */
    struct prl_joinable target;
    enum prl_life life;
};
/* By name, id, or the begin of one id among those that run.  Errors: PRL_STAGE_STATE, ESRCH. */
int prl_state_find(const struct prl_dirs *dirs, const char *text, struct prl_running *ret,
                   struct prl_error *reterr);
void prl_running_free(struct prl_running *running);
/* The config.json that a running container was started with, without the list of its filter, of
 * which only the compiled program matters to others.  *ret is malloc'd. */
int prl_running_config(const struct prl_running *running, char **ret, struct prl_error *reterr);
/* Clean what dead monitors left: entries of RUNTIME/running whose lock is free.  Bounded work,
 * never waits for a lock.  Returns how many containers it ended. */
int prl_state_sweep(const struct prl_dirs *dirs, struct prl_error *reterr);
