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
#include <time.h>

enum { END_WAIT_MS = 10000, END_STEP_MS = 10 };

/* The monitor sees the end of the process, writes how it ended, and lets go of the entry. */
static bool wait_until_free(int fd)
{
    const struct timespec step = {.tv_nsec = END_STEP_MS * 1000000L};
    for (int waited = 0; waited < END_WAIT_MS; waited += END_STEP_MS) {
        if (!prl_entry_is_held(fd))
            return true;
        nanosleep(&step, NULL);
    }
    return false;
}

static int end_running(const struct prl_entry *entry, int fd, const char *id,
                       struct prl_error *reterr)
{
    struct prl_joinable process;
    if (prl_process_hold(entry->pid, entry->start_ticks, &process) == 0) {
        int r = process.pidfd >= 0 ? prl_sys_pidfd_send_signal(process.pidfd, SIGKILL)
                                   : kill(process.pid, SIGKILL);
        int errnum = errno;
        prl_process_release(&process);
        if (r < 0 && errnum != ESRCH)
            return prl_failf(reterr, PRL_STAGE_STATE, errnum, "kill",
                             "process %d of container %.12s", (int)entry->pid, id);
    }
    if (wait_until_free(fd))
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

static int discard(const struct prl_dirs *dirs, const char *id, const struct prl_entry *entry,
                   bool volumes, struct prl_error *reterr)
{
    unsigned budget = UINT_MAX;
    int r = prl_removal_groups(id, entry->directory);
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

int prl_state_remove(const struct prl_dirs *dirs, const char *text, bool force, bool volumes,
                     struct prl_error *reterr)
{
    char id[PRL_ID_LEN + 1];
    struct prl_entry entry = {0};
    int r = prl_find_id(dirs, text, true, id, reterr);
    if (r < 0)
        return r;
    r = end(dirs, id, force ? NULL : text, &entry, reterr);
    if (r == 1 && !prl_find_kept(dirs, id))
        r = prl_failf(reterr, PRL_STAGE_STATE, ESRCH, "container", "\"%.80s\" is no container",
                      text);
    if (r == 1) {
        entry.directory = prl_io_format("%s/containers/%s", dirs->data, id);
        r = entry.directory ? 0
                            : prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc",
                                            "a container's path");
    }
    if (r == 0 && !entry.ephemeral)
        r = discard(dirs, id, &entry, volumes, reterr);
    prl_entry_free(&entry);
    return r < 0 ? r : 0;
}
