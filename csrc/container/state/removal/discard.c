/* discard.c: a container taken away because somebody asks for it.
 * In: a name or id.  Out: no process, no control group, no name, no file and no entry of it.
 * Never: the end of one that runs, unless that was asked for; a signal to a process that is not
 * the container's. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/events/journal.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

enum { ATTEMPTS = 16 };

static int end_running(const struct prl_entry *entry, int fd, const char *id,
                       struct prl_error *reterr)
{
    struct prl_joinable process;
    (void)prl_state_mark(entry->directory, "stopped"); /* its monitor starts it no more */
    if (prl_process_hold(entry->pid, entry->start_ticks, &process) == 0) {
        int r = process.pidfd >= 0 ? prl_sys_pidfd_send_signal(process.pidfd, SIGKILL)
                                   : kill(process.pid, SIGKILL);
        int errnum = errno;
        prl_process_release(&process);
        if (r < 0 && errnum != ESRCH)
            return prl_failf(reterr, PRL_STAGE_STATE, errnum, "kill",
                             "process %d of container %.12s", (int)entry->pid, id);
    }
    if (prl_state_is_marked(AT_FDCWD, entry->directory, "paused"))
        prl_state_thaw(id, entry->directory); /* who stands still does not end */
    if (prl_entry_await_free(fd))
        return 0;
    return prl_failf(reterr, PRL_STAGE_STATE, ETIME, "kill",
                     "container %.12s did not end on SIGKILL: see what it waits for with \"cat "
                     "/proc/%d/stack\"",
                     id, (int)entry->pid);
}

/* Its running entry, and the end of what that names.  1: there is none.  text: the user's word
 * for it, who did not ask for the end of one that runs; NULL: he did. */
static int end(const struct prl_dirs *dirs, const char *id, const char *text,
               struct prl_entry *entry, struct prl_error *reterr)
{
    unsigned budget = UINT_MAX;
    _cleanup_close_ int fd = prl_entry_open(dirs, id, O_RDONLY);
    if (fd < 0)
        return 1;
    int r = prl_entry_read(fd, entry);
    if (r == 0 && prl_entry_is_held(fd)) {
        if (text)
            return prl_failf(reterr, PRL_STAGE_STATE, EBUSY, "remove",
                             "container %.80s is running: stop it first, or end and remove it "
                             "with \"pyrootless rm -f %.80s\"",
                             text, text);
        r = end_running(entry, fd, id, reterr);
        if (r < 0)
            return r;
    }
    int swept = prl_sweep_one(dirs, id, &budget, reterr);
    return swept < 0 ? swept : r < 0;
}

/* Its entry is ours, so that nobody starts it or removes it too.  1: somebody was faster. */
static int claim(const struct prl_dirs *dirs, const char *id, struct prl_state *ret,
                 struct prl_error *reterr)
{
    *ret = (struct prl_state){.dir_fd = -1, .lock_fd = -1, .marker_fd = -1, .again = true};
    if (dirs->runtime_fd < 0)
        return 0; /* nothing runs, and nobody has made a place where it could */
    memcpy(ret->id, id, sizeof ret->id);
    ret->path = prl_io_format("%s/containers/%s", dirs->data, id);
    if (!ret->path)
        return prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc", "a container's path");
    int r = prl_entry_create(dirs, ret, reterr);
    if (r == -ENOENT) { /* a cleaner of /tmp removed the empty directory */
        r = prl_dirs_make(dirs, reterr);
        r = r < 0 ? r : prl_entry_create(dirs, ret, reterr);
    }
    return r == -EEXIST ? 1 : r;
}

static int discard(const struct prl_dirs *dirs, const char *id, const struct prl_entry *entry,
                   bool volumes, struct prl_error *reterr)
{
    unsigned budget = UINT_MAX;
    int r = prl_state_remove_groups(id, entry->directory);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "rmdir", "control group of %.12s", id);
    r = prl_name_release_all(dirs->data_fd, id);
    if (r < 0 && r != -EROFS)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "remove", "%s/names", dirs->data);
    _cleanup_free_ char *attributes = prl_journal_attributes_of(entry->directory);
    const struct prl_event event = {
        .type = "container", .action = "destroy", .id = id, .attributes = attributes};
    r = prl_removal_run(&(struct prl_removal){dirs, id, entry, &budget, false, NULL,
                                              volumes ? PRL_VOLUMES_REMOVE : PRL_VOLUMES_LEAVE},
                        reterr);
    if (r == 0 && attributes)
        prl_journal_add(dirs, &event);
    return r;
}

/* What is kept of it, and who else wants it comes later. */
static int discard_alone(const struct prl_dirs *dirs, const char *id,
                         const struct prl_entry *entry, bool volumes, struct prl_error *reterr)
{
    struct prl_state state;
    struct prl_error ignored;
    int r = claim(dirs, id, &state, reterr);
    if (r == 0) {
        r = discard(dirs, id, entry, volumes, reterr);
        if (state.lock_fd >= 0)
            (void)prl_removal_forget(dirs, id, &ignored);
    }
    prl_state_close(&state);
    return r;
}

/* What somebody asks for, in his words. */
struct wish {
    const char *text;
    bool force, volumes;
};

/* 1: somebody else starts or removes it this moment; the next attempt sees what came of it. */
static int remove_once(const struct prl_dirs *dirs, const char *id, const struct wish *wish,
                       struct prl_error *reterr)
{
    struct prl_entry entry = {0};
    if (prl_entry_settle(dirs, id) == -EBUSY && !wish->force)
        return prl_failf(reterr, PRL_STAGE_STATE, EBUSY, "remove",
                         "container %.80s is being started or removed by another command",
                         wish->text);
    int r = end(dirs, id, wish->force ? NULL : wish->text, &entry, reterr);
    if (r == 1 && !prl_find_kept(dirs, id))
        r = prl_find_fail(wish->text, reterr);
    if (r == 1) {
        entry.directory = prl_io_format("%s/containers/%s", dirs->data, id);
        r = entry.directory ? 0
                            : prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc",
                                            "a container's path");
    }
    if (r == 0 && !entry.ephemeral)
        r = discard_alone(dirs, id, &entry, wish->volumes, reterr);
    prl_entry_free(&entry);
    return r;
}

int prl_state_remove(const struct prl_dirs *dirs, const char *text, bool force, bool volumes,
                     struct prl_error *reterr)
{
    const struct wish wish = {text, force, volumes};
    char id[PRL_ID_LEN + 1];
    int r = prl_find_id(dirs, text, true, id, reterr);
    if (r < 0)
        return r;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        r = remove_once(dirs, id, &wish, reterr);
        if (r <= 0)
            return r;
    }
    return prl_failf(reterr, PRL_STAGE_STATE, EBUSY, "remove",
                     "container %.80s is being started or removed by another command", text);
}
