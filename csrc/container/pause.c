/* pause.c: see pause.h.
 * In, out, never: as there.
 *
 * A container with limits has control groups; where one of them can be frozen that is done. Any
 * other with a monitor of its own gets a group for it, into which its processes are moved while
 * it is frozen: those that came in do not fork any more, so that a round that finds nobody else
 * is the last one.  They stay there when it goes on, and the monitor removes the group after
 * their end. */
#include "container/pause.h"

#include "base/error.h"
#include "base/own.h"
#include "container/monitor/exports.h"
#include "limits/exports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

enum { ROUNDS = 1000, DEPTH = 33 /* of pid namespaces, which are 32 at most */ };

static int fail_state(const char *text, int errnum, const char *what, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_STATE, errnum, "pause", "Container %.80s %s", text,
                     what);
}

/* Is this pid namespace the wanted one, or below it? */
static bool is_below(int pid, ino_t wanted)
{
    char path[40];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (int depth = 0; fd >= 0 && depth < DEPTH; depth++) {
        if (fstat(fd, &st) < 0)
            return false;
        if (st.st_ino == wanted)
            return true;
        int above = ioctl(fd, NS_GET_PARENT);
        prl_close_p(&fd);
        fd = above;
    }
    return false;
}

static bool is_in(const char *group, int pid)
{
    char path[40], text[4096];
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    const char *leaf = strrchr(group, '/');
    text[n > 0 ? n : 0] = '\0';
    const char *found = strstr(text, leaf);
    return n <= 0 || (found && (found[strlen(leaf)] == '\n' || found[strlen(leaf)] == '/'));
}

/* Ended, and not reaped by a parent that stands still: it stays where it was. */
static bool is_dead(int pid)
{
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    const char *state = strrchr(text, ')');
    return !state || strncmp(state, ") Z", 3) == 0 || strncmp(state, ") X", 3) == 0;
}

/* How many were outside; -errno. */
static int move_round(const char *group, ino_t wanted)
{
    _cleanup_closedir_ DIR *proc = opendir("/proc");
    int outside = 0;
    if (!proc)
        return -errno;
    for (const struct dirent *entry; (entry = readdir(proc));) {
        int pid = (int)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || !is_below(pid, wanted) || is_in(group, pid) || is_dead(pid))
            continue;
        int r = prl_freeze_move(group, pid);
        if (r < 0 && r != -ESRCH)
            return r;
        outside++;
    }
    return outside;
}

static int move_all(const char *group, pid_t pid)
{
    char path[40];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
    if (stat(path, &st) < 0)
        return -errno;
    for (int round = 0; round < ROUNDS; round++) {
        int r = move_round(group, st.st_ino);
        if (r <= 0)
            return r;
    }
    return -EBUSY;
}

static bool has_monitor(const struct prl_dirs *dirs, const char *id)
{
    _cleanup_close_ int fd = prl_control_connect(dirs, id);
    return fd >= 0;
}

static int fail_groupless(const char *text, const char *why, struct prl_error *reterr)
{
    return prl_failf(
        reterr, PRL_STAGE_STATE, ENODEV, "pause",
        "Cannot pause container %.80s: it has no control group that can be frozen, %s", text,
        why);
}

/* A group for a pause, with all processes in it; frozen when it is made. */
static int make_group(const struct prl_dirs *dirs, const struct prl_listed *row,
                      const char *text, char path[PATH_MAX], struct prl_error *reterr)
{
    if (!has_monitor(dirs, row->id))
        return fail_groupless(
            text, "and runs in the foreground of another command: start it with -d", reterr);
    int r = prl_freeze_make(row->id, path);
    if (r < 0)
        return fail_groupless(text, "and none is delegated to you", reterr);
    r = prl_state_keep_freezer(row->directory, path);
    if (r == 0)
        r = prl_freeze_set(path, true);
    if (r == 0)
        r = move_all(path, row->pid);
    if (r == -EACCES || r == -EPERM)
        return fail_groupless(text, "and some of its processes may not be moved into one",
                              reterr);
    return r < 0 ? prl_failf(reterr, PRL_STAGE_STATE, -r, "pause",
                             "Cannot pause container %.80s: %s: %s", text, path, strerror(-r))
                 : 0;
}

static int freeze(const struct prl_dirs *dirs, const struct prl_listed *row, const char *text,
                  struct prl_error *reterr)
{
    char path[PATH_MAX];
    int r = prl_state_mark(row->directory, "paused"); /* first: whoever comes by can undo it */
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "%s/paused", row->directory);
    if (!prl_state_freezable(row->id, row->directory, path)) {
        r = make_group(dirs, row, text, path, reterr);
    } else {
        r = prl_freeze_set(path, true);
        if (r == 0)
            r = move_all(path, row->pid); /* who came by exec since its own group was made */
        if (r < 0)
            prl_failf(reterr, PRL_STAGE_STATE, -r, "pause",
                      "Cannot pause container %.80s: %s: %s", text, path, strerror(-r));
    }
    if (r < 0)
        prl_state_thaw(row->id, row->directory);
    return r;
}

static int pause_row(const struct prl_dirs *dirs, const struct prl_listed *row,
                     const char *text, struct prl_error *reterr)
{
    switch (row->life) {
    case PRL_LIFE_RUNNING:
        return freeze(dirs, row, text, reterr);
    case PRL_LIFE_PAUSED:
        return fail_state(text, EALREADY, "is already paused", reterr);
    case PRL_LIFE_RESTARTING:
        return fail_state(text, EBUSY, "is restarting, wait until the container is running",
                          reterr);
    default:
        return fail_state(text, ESRCH, "is not running", reterr);
    }
}

static int unpause_row(const struct prl_dirs *dirs, const struct prl_listed *row,
                       const char *text, struct prl_error *reterr)
{
    (void)dirs;
    if (row->life != PRL_LIFE_PAUSED)
        return fail_state(text, EALREADY, "is not paused", reterr);
    prl_state_thaw(row->id, row->directory);
    return 0;
}

/* Alone with the container's files: two pauses at once are one, and an error. */
static int act(const struct prl_dirs *dirs, const char *text,
               int (*what)(const struct prl_dirs *dirs, const struct prl_listed *row,
                           const char *text, struct prl_error *reterr),
               struct prl_error *reterr)
{
    struct prl_listed row = {0};
    char id[sizeof row.id];
    int r = prl_state_look_up(dirs, text, &row, reterr);
    if (r < 0)
        return r;
    _cleanup_close_ int dir_fd = prl_state_hold(row.directory);
    memcpy(id, row.id, sizeof id);
    free(row.directory);
    row.directory = NULL;
    r = prl_state_look_up(dirs, id, &row, reterr);
    if (r == 0)
        r = what(dirs, &row, text, reterr);
    free(row.directory);
    return r;
}

int prl_container_pause(const struct prl_dirs *dirs, const char *text, struct prl_error *reterr)
{
    return act(dirs, text, pause_row, reterr);
}

int prl_container_unpause(const struct prl_dirs *dirs, const char *text,
                          struct prl_error *reterr)
{
    return act(dirs, text, unpause_row, reterr);
}
