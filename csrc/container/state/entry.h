/* entry.h: what the files of the room "state" share; nobody else includes it.
 * In: directories, ids.  Out: running entries, names, removals.  Never: a launch. */
#pragma once

#include "base/error.h"
#include "container/state/record.h"

#include <stdio.h>

enum {
    PRL_ID_LEN = 64,        /* hex digits */
    PRL_NAME_MAX = 128,     /* letters of a container's name */
    PRL_LINE_MAX = 8192,    /* bytes of a running entry */
    PRL_SWEEP_NAMES = 4096, /* directory entries one sweep removes at most */
};

/* One line of RUNTIME/running/ID: "PID STARTTIME DIRECTORY FLAGS\n".  PID (10 digits) and
 * STARTTIME (20 digits, field 22 of /proc/PID/stat) are zeros until the container has begun,
 * and of fixed width so that they are overwritten in place.  FLAGS: comma-joined `kept` or
 * `remove`, `again`, `restarts=N`, `throw-away`, `name=NAME`; an empty flag means nothing, so
 * that a shorter line can be written over a longer one.  DIRECTORY may contain spaces. */
struct prl_entry {
    pid_t pid;
    uint64_t start_ticks;
    char *directory; /* owned, malloc'd */
    char name[PRL_NAME_MAX + 1];
    bool remove, ephemeral;
    bool again;        /* it was there before: one that has not begun yet stays */
    unsigned restarts; /* by its own monitor, since it was started */
};

/* dirs.c */
int prl_dirs_mkdir(int dir_fd, const char *name, mode_t mode);
int prl_dirs_make(const struct prl_dirs *dirs, struct prl_error *reterr);

/* entry.c */
bool prl_entry_is_id(const char *text);
/* 1: lost against a sweep, take another id. */
int prl_entry_create(const struct prl_dirs *dirs, struct prl_state *state,
                     struct prl_error *reterr);
/* O_RDONLY, or O_RDWR.  -1 and errno; ENOENT: there is none. */
int prl_entry_open(const struct prl_dirs *dirs, const char *id, int access);
/* Its monitor, or a sweep, has the lock of the open entry. */
bool prl_entry_is_held(int fd);
int prl_entry_write_child(int lock_fd, pid_t pid, uint64_t start_ticks);
/* DIRECTORY and FLAGS anew, in one write; the numbers are the monitor's to change. */
int prl_entry_rewrite(int lock_fd, const struct prl_entry *entry);
/* Wait until nobody has the lock of the open entry, some seconds at most: the monitor has seen
 * the end of the process, written it down, and let go.  false: not yet. */
bool prl_entry_await_free(int fd);
/* Wait until whoever makes, starts or removes this container has done so: 1: it has begun; 0:
 * nobody has it; -EBUSY: still not. */
int prl_entry_settle(const struct prl_dirs *dirs, const char *id);
/* -ENODATA: killed before it wrote the line, so that nothing else was made.  -EBADMSG: damaged,
 * or no file that a monitor of this user's made. */
int prl_entry_read(int lock_fd, struct prl_entry *ret);
void prl_entry_free(struct prl_entry *entry);
/* Time of birth of a process in clock ticks since boot; *ret_dead: a zombie.  -ESRCH: no such
 * process. */
int prl_entry_start_ticks(pid_t pid, uint64_t *ret, bool *ret_dead);

/* list.c: the rest of a row that has its id and directory: that it runs, by its open entry, or
 * that it does not; when it was created; its name in this store. */
void prl_listed_run(const struct prl_dirs *dirs, struct prl_listed *row,
                    const struct prl_entry *entry, int fd);
void prl_listed_rest(struct prl_listed *row);
void prl_listed_date(struct prl_listed *row);
void prl_listed_name(const struct prl_dirs *dirs, struct prl_listed *row);

/* find.c: the id that is meant, of a container that may have ended by now; `kept`: of
 * those too that do not run. */
int prl_find_id(const struct prl_dirs *dirs, const char *text, bool kept,
                char id[PRL_ID_LEN + 1], struct prl_error *reterr);
/* "No such container: TEXT". */
int prl_find_fail(const char *text, struct prl_error *reterr);
/* Is it in this store? */
bool prl_find_kept(const struct prl_dirs *dirs, const char *id);

/* words.c: a name for one that was given none; taken: so many were somebody's.  -errno.
 */
int prl_name_new(unsigned taken, char name[PRL_NAME_MAX + 1]);

/* names.c */
int prl_name_check(const char *name, struct prl_error *reterr);
int prl_name_take(const struct prl_dirs *dirs, const struct prl_state *state,
                  struct prl_error *reterr);
/* The same for one that was made up.  1: it is somebody's. */
int prl_name_offer(const struct prl_dirs *dirs, const struct prl_state *state,
                   struct prl_error *reterr);
/* 1 and the id of the container with this name; 0: there is none. */
int prl_name_find(int data_fd, const char *name, char id[PRL_ID_LEN + 1]);
/* Does this store say that the name is another's, or nobody's? */
bool prl_name_is_lost(int data_fd, const char *name, const char *id);
/* Every name that leads to an id, and the id. */
void prl_name_each(int data_fd, void (*visit)(const char *name, const char *id, void *data),
                   void *data);
/* Drop the name if it is this container's.  Never waits when `patient` is false. */
int prl_name_release(int data_fd, const char *name, const char *id, bool patient);
/* Drop every name of this container; waits for the lock of the names. */
int prl_name_release_all(int data_fd, const char *id);
/* Drop names whose container is gone; for the scan after a boot. */
int prl_name_prune(int data_fd);

/* container/state/removal/remove.c */
struct prl_removal {
    const struct prl_dirs *dirs;
    const char *id;
    const struct prl_entry *entry;
    unsigned
        *budget;    /* names to remove at most; the rest stays in the trash for a later sweep */
    bool patient;   /* its own launcher's: may wait for the lock of the names */
    int *marker_fd; /* held by the caller, closed once no scan can see the file; NULL: none */
    enum prl_removal_volumes {
        PRL_VOLUMES_NONE,   /* it has none of the store, */
        PRL_VOLUMES_LEAVE,  /* or lets go of them, */
        PRL_VOLUMES_REMOVE, /* and those that nobody named go with it */
    } volumes;
};
/* Everything of a container: name, directory, and only when these are out of the way its
 * running entry. */
int prl_removal_run(const struct prl_removal *removal, struct prl_error *reterr);
int prl_removal_forget(const struct prl_dirs *dirs, const char *id, struct prl_error *reterr);
/* DATA/spent, the empty directories of the last one; for when nobody waits. */
void prl_removal_clear(const struct prl_dirs *dirs);

/* Call for each entry but the dots; false as soon as it says so, or the
 * directory cannot be read. */
struct prl_dirent;
typedef bool (*prl_state_visit)(int dir_fd, const struct prl_dirent *entry, void *data);
bool prl_state_each(int dir_fd, prl_state_visit visit, void *data);

/* scratch.c: upper and work on a local disk when the store's file system has no room for
 * such. */
bool prl_scratch_is_needed(int dir_fd);
/* 1: made nothing, the scratch directory lies on such a file system too. */
int prl_scratch_make(const struct prl_state *state, struct prl_error *reterr);
/* What the link containers_fd/ID/upper leads to; 0 when there is none.  -EAGAIN: some is left.
 */
int prl_scratch_remove(int containers_fd, const char *id, unsigned *budget);

/* container/state/removal/sweep.c: end and remove one container if its monitor is dead.  1:
 * done, 0: alive or not there. */
int prl_sweep_one(const struct prl_dirs *dirs, const char *id, unsigned *budget,
                  struct prl_error *reterr);

/* container/state/removal/scan.c: what a boot left in the store, whose running entries are gone
 * with the runtime directory. */
bool prl_scan_is_done(const struct prl_dirs *dirs);
int prl_scan_run(const struct prl_dirs *dirs, unsigned *budget, struct prl_error *reterr);

/* record.c */
/* New file, mode 0600 whatever the umask is.  -errno, nothing left behind when writing fails.
 */
int prl_state_create_file(int dir_fd, const char *name, const void *data, size_t len);
/* How a run ended. */
struct prl_state_end {
    const struct prl_status *status;
    const char *ended_by; /* a word for who knows better than `status`, or NULL */
    const char *error;    /* why it never began; NULL: it did */
    int64_t started_ns;   /* since 1970; 0: as long ago as it ran */
    unsigned restarts;
};
/* status.json of the container's directory. */
int prl_state_record(int dir_fd, const struct prl_state_end *end);
