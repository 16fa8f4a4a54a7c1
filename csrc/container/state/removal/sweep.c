/* sweep.c: cleaning up after monitors that were killed.
 * In: RUNTIME/running.  Out: dead containers ended, recorded, removed; the trash emptied.
 * Never: waiting for a lock, touching an entry whose lock is held, killing a process that was
 * not born when the entry says, more than PROBES entries or PRL_SWEEP_NAMES removals a call.
 *
 * With nothing to do and nothing running it costs ten system calls, a few microseconds. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/events/journal.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

enum { PROBES = 64, LISTED = 1024, KILL_WAIT_MS = 2000, KILL_STEP_MS = 10 };

struct sweep {
    const struct prl_dirs *dirs;
    struct prl_error *reterr;
    int error; /* the first; the sweep goes on with the others */
    int ended;
    unsigned probes;
    unsigned budget;
};

static bool is_alive(const struct prl_entry *entry)
{
    uint64_t ticks = 0;
    bool dead = false;
    return prl_entry_start_ticks(entry->pid, &ticks, &dead) == 0 && !dead &&
           ticks == entry->start_ticks;
}

/* FALLBACK for pidfd_open; remove when kernel >= 5.3 is required.  The pid could be another's
 * between look and kill; its birth is compared right before. */
static int kill_by_pid(const struct prl_entry *entry)
{
    const struct timespec step = {.tv_nsec = KILL_STEP_MS * 1000000L};
    if (is_alive(entry) && kill(entry->pid, SIGKILL) < 0)
        return errno == ESRCH ? 0 : -errno;
    for (int waited = 0; waited < KILL_WAIT_MS; waited += KILL_STEP_MS) {
        if (!is_alive(entry))
            return 0;
        nanosleep(&step, NULL);
    }
    return -EBUSY;
}

/* SIGKILL, and wait until it is gone. */
static int kill_by_pidfd(int pidfd)
{
    if (prl_sys_pidfd_send_signal(pidfd, SIGKILL) < 0)
        return errno == ESRCH ? 0 : -errno;
    struct pollfd gone = {.fd = pidfd, .events = POLLIN};
    for (;;) {
        int n = poll(&gone, 1, KILL_WAIT_MS);
        if (n < 0 && errno == EINTR)
            continue;
        return n > 0 ? 0 : n < 0 ? -errno : -EBUSY;
    }
}

/* Process 1 of a pid namespace takes all others with it. */
static int kill_rest(const struct prl_entry *entry)
{
    struct prl_joinable process;
    if (prl_process_hold(entry->pid, entry->start_ticks, &process) < 0)
        return 0; /* gone, or never a container's */
    int r = process.pidfd < 0 ? kill_by_pid(entry) : kill_by_pidfd(process.pidfd);
    prl_process_release(&process);
    return r;
}

static void tell_lost(const struct prl_dirs *dirs, const char *id, const char *directory)
{
    _cleanup_free_ char *attributes = prl_journal_attributes_of(directory);
    const struct prl_event event = {.type = "container",
                                    .action = "die",
                                    .id = id,
                                    .attributes = attributes,
                                    .more = "\"exitCode\":\"137\""};
    if (attributes)
        prl_journal_add(dirs, &event);
}

/* When the container of an entry began; 0: unknown. */
static int64_t date_of(int lock_fd)
{
    struct stat st;
    return fstat(lock_fd, &st) < 0
               ? 0
               : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* A container that is to be kept: say how it ended, unless its monitor still did. */
static int record_lost(const struct prl_dirs *dirs, const char *id,
                       const struct prl_entry *entry, int64_t started_ns,
                       struct prl_error *reterr)
{
    struct stat st;
    const struct prl_status status = {.exit_code = -1, .signal = SIGKILL};
    _cleanup_close_ int dir_fd =
        open(entry->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd >= 0) {
        unlinkat(dir_fd, "remove", 0);
        if (fstatat(dir_fd, "status.json", &st, AT_SYMLINK_NOFOLLOW) < 0) {
            int r =
                prl_state_record(dir_fd, &(struct prl_state_end){.status = &status,
                                                                 .ended_by = "lost",
                                                                 .started_ns = started_ns,
                                                                 .restarts = entry->restarts});
            if (r < 0 && r != -EROFS)
                return prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "%s/status.json",
                                 entry->directory);
            tell_lost(dirs, id, entry->directory);
        }
    }
    return prl_removal_forget(dirs, id, reterr);
}

/* One that was made before: as if nobody had tried, unless it had begun this moment. */
static int give_back(const struct prl_dirs *dirs, const char *id, const struct prl_entry *entry,
                     struct prl_error *reterr)
{
    return prl_state_is_marked(AT_FDCWD, entry->directory, "created")
               ? prl_removal_forget(dirs, id, reterr)
               : record_lost(dirs, id, entry, 0, reterr);
}

/* The entry's lock is ours: its monitor is dead. */
static int bury(const struct prl_dirs *dirs, const char *id, int lock_fd, unsigned *budget,
                struct prl_error *reterr)
{
    struct prl_entry entry = {0};
    int r = prl_entry_read(lock_fd, &entry);
    /* Its monitor's control socket, on which nobody listens any more. */
    char path[32 + PRL_ID_LEN];
    snprintf(path, sizeof path, "control/%.64s", id);
    (void)unlinkat(dirs->runtime_fd, path, 0);
    if (r == -ENODATA || r == -EBADMSG)
        return prl_removal_forget(dirs, id, reterr);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "read", "%s/running/%s", dirs->runtime,
                         id);
    if (prl_state_is_marked(AT_FDCWD, entry.directory, "paused"))
        prl_state_thaw(id, entry.directory); /* who stands still does not end */
    r = kill_rest(&entry);
    if (r == 0)
        r = prl_state_remove_groups(id, entry.directory);
    if (r < 0)
        r = prl_failf(reterr, PRL_STAGE_STATE, -r, "kill",
                      "process %d of container %.12s, whose monitor is gone", (int)entry.pid,
                      id);
    else if (entry.pid == 0 && entry.again && !entry.remove)
        r = give_back(dirs, id, &entry, reterr);
    else if (entry.remove || entry.pid == 0)
        r = prl_removal_run(
            &(struct prl_removal){dirs, id, &entry, budget, false, NULL, PRL_VOLUMES_REMOVE},
            reterr);
    else
        r = record_lost(dirs, id, &entry, date_of(lock_fd), reterr);
    prl_entry_free(&entry);
    return r;
}

int prl_sweep_one(const struct prl_dirs *dirs, const char *id, unsigned *budget,
                  struct prl_error *reterr)
{
    struct stat st;
    _cleanup_close_ int fd = prl_entry_open(dirs, id, O_RDWR);
    if (fd < 0)
        return errno == ENOENT ? 0
                               : prl_failf(reterr, PRL_STAGE_STATE, errno, "open",
                                           "%s/running/%s", dirs->runtime, id);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return 0;
    if (fstat(fd, &st) < 0 || st.st_nlink == 0) /* finished between open and lock */
        return 0;
    int r = bury(dirs, id, fd, budget, reterr);
    return r < 0 ? r : 1;
}

/* One look at the entries: those whose turn it is. */
struct turn {
    struct sweep *sweep;
    char letter;
    bool below; /* those that begin with a smaller one */
    unsigned listed;
};

static bool probe_in_turn(int running_fd, const struct prl_dirent *entry, void *data)
{
    struct turn *turn = data;
    struct sweep *sweep = turn->sweep;
    (void)running_fd;
    if (sweep->probes >= PROBES || turn->listed++ >= LISTED)
        return false;
    if (prl_entry_is_id(entry->d_name) && (entry->d_name[0] < turn->letter) == turn->below) {
        struct prl_error error;
        sweep->probes++;
        int r = prl_sweep_one(sweep->dirs, entry->d_name, &sweep->budget, &error);
        sweep->ended += r > 0;
        if (r < 0 && sweep->error == 0) {
            sweep->error = r;
            *sweep->reterr = error;
        }
    }
    return true;
}

/* Ids are random: beginning at a random letter gives every entry its turn when there are more
 * than one call probes. */
static void probe_all(struct sweep *sweep, int running_fd)
{
    unsigned char first = 0;
    if (getrandom(&first, 1, GRND_NONBLOCK) < 0)
        first = 0;
    for (int second = 0; second < 2; second++) {
        struct turn turn = {sweep, "0123456789abcdef"[first & 15], second, 0};
        if (lseek(running_fd, 0, SEEK_SET) == 0)
            (void)prl_state_each(running_fd, probe_in_turn, &turn);
    }
}

static bool is_hidden(int running_fd, const struct prl_dirent *entry, void *data)
{
    (void)running_fd;
    (void)data;
    return entry->d_name[0] == '.';
}

/* What lies in the trash are directories, and most file systems count them as links.  Those
 * that do not (btrfs) say 1, and are looked into. */
static bool trash_is_empty(const struct prl_dirs *dirs)
{
    struct stat st;
    return fstatat(dirs->data_fd, "trash", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_nlink == 2;
}

static void empty_trash(struct sweep *sweep)
{
    _cleanup_closedir_ DIR *trash = prl_io_list(sweep->dirs->data_fd, "trash");
    const struct dirent *entry;
    while (trash && sweep->budget > 0 && (entry = readdir(trash))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int r = prl_io_remove_tree_foreign(dirfd(trash), entry->d_name, &sweep->budget);
        if (r < 0 && r != -EROFS && sweep->error == 0)
            sweep->error = prl_failf(sweep->reterr, PRL_STAGE_STATE, -r, "remove",
                                     "%s/trash/%s", sweep->dirs->data, entry->d_name);
    }
}

int prl_state_sweep(const struct prl_dirs *dirs, struct prl_error *reterr)
{
    struct sweep sweep = {.dirs = dirs, .reterr = reterr, .budget = PRL_SWEEP_NAMES};
    prl_removal_clear(dirs);
    bool scanned = prl_scan_is_done(dirs), trash = !trash_is_empty(dirs);
    _cleanup_close_ int running_fd =
        openat(dirs->runtime_fd, "running", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (running_fd < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, errno, "open", "%s/running", dirs->runtime);
    if (scanned && !trash && prl_state_each(running_fd, is_hidden, NULL))
        return 0;
    _cleanup_close_ int lock_fd =
        openat(dirs->runtime_fd, "sweep.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock_fd < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, errno, "open", "%s/sweep.lock",
                         dirs->runtime);
    if (flock(lock_fd, LOCK_EX | LOCK_NB) < 0)
        return 0; /* another one sweeps */
    probe_all(&sweep, running_fd);
    if (!scanned && sweep.error == 0)
        sweep.error = prl_scan_run(dirs, &sweep.budget, reterr);
    if (trash || sweep.ended > 0 || !scanned)
        empty_trash(&sweep);
    return sweep.error < 0 ? sweep.error : sweep.ended;
}
