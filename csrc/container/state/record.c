/* record.c: the life of a container's directory: create, record, finish.
 * In: the engine's directories and what the container is to be.  Out: struct prl_state, locked.
 * Never: a launch, a mount, a look at other containers.
 *
 * Steps of create, and what a SIGKILL right after each leaves:
 *   1. RUNTIME/running/ID, locked     an entry with a free lock: the next sweep removes it
 *   2. DATA/containers/ID             the same, and the entry says where
 *   3. DATA/containers/ID/remove      after a reboot (no entry any more) the scan finds this
 * marker
 *   4. upper/ work/                   inside the directory, goes with it
 *   5. DATA/names/NAME                the entry knows the name
 * What is to be kept loses its marker when it has begun (prl_state_write_child).  An ephemeral
 * container lives below RUNTIME, which is gone after a reboot, and needs no marker. */
#include "base/io.h"
#include "base/own.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

enum { ATTEMPTS = 8 };

static int new_id(char id[PRL_ID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[PRL_ID_LEN / 2];
    ssize_t n;
    do
        n = getrandom(bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof bytes)
        return n < 0 ? -errno : -EIO;
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    id[PRL_ID_LEN] = '\0';
    return 0;
}

int prl_state_create_file(int dir_fd, const char *name, const void *data, size_t len)
{
    _cleanup_close_ int fd =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = fchmod(fd, 0600) < 0 ? -errno : prl_io_write_all(fd, data, len);
    if (r < 0)
        unlinkat(dir_fd, name, 0);
    return r;
}

static int fail_below(const struct prl_state *state, const char *syscall, const char *name,
                      int r, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_STATE, -r, syscall, "%s/%s", state->path, name);
}

static int make_directory(const struct prl_dirs *dirs, struct prl_state *state,
                          struct prl_error *reterr)
{
    char name[32 + PRL_ID_LEN];
    int parent_fd = state->ephemeral ? dirs->runtime_fd : dirs->data_fd;
    snprintf(name, sizeof name, "containers/%s", state->id);
    int r = prl_dirs_mkdir(parent_fd, name, 0700);
    if (r == -ENOENT) { /* the store was emptied, or was read-only when it was opened */
        r = prl_dirs_make(dirs, reterr);
        if (r < 0)
            return r;
        r = prl_dirs_mkdir(parent_fd, name, 0700);
    }
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_STATE, -r, "mkdir", state->path);
    state->dir_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (state->dir_fd >= 0)
        return 0;
    /* Empty and without a marker it can have been taken by the scan of another session. */
    return errno == ENOENT ? 1 : prl_fail(reterr, PRL_STAGE_STATE, "open", state->path);
}

/* The marker, locked.  1: the scan of another session was faster, take another id. */
static int make_marker(const struct prl_dirs *dirs, struct prl_state *state,
                       struct prl_error *reterr)
{
    char line[PRL_NAME_MAX + 2], path[32 + PRL_ID_LEN];
    struct stat st;
    int n = snprintf(line, sizeof line, "%s\n", state->name ? state->name : "");
    snprintf(path, sizeof path, "containers/%s", state->id);
    _cleanup_close_ int fd = openat(state->dir_fd, "remove",
                                    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT)
        return 1;
    if (fd < 0)
        return fail_below(state, "open", "remove", -errno, reterr);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return 1;
    /* Any other failure: a file system without locks, whose marker no scan can lock either, and
     * so leaves alone. */
    if (fchmod(fd, 0600) < 0)
        return fail_below(state, "chmod", "remove", -errno, reterr);
    int r = prl_io_write_all(fd, line, (size_t)n);
    if (r < 0)
        return fail_below(state, "write", "remove", r, reterr);
    if (fstatat(dirs->data_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 1;
    state->marker_fd = steal_fd(&fd);
    return 0;
}

static int make_upper(const struct prl_state *state, struct prl_error *reterr)
{
    /* upper/ becomes "/" of the container: everybody in it must be able to pass. */
    int r = prl_scratch_is_needed(state->dir_fd) ? prl_scratch_make(state, reterr) : 1;
    if (r <= 0)
        return r;
    r = prl_dirs_mkdir(state->dir_fd, "upper", 0755);
    if (r < 0)
        return fail_below(state, "mkdir", "upper", r, reterr);
    r = prl_dirs_mkdir(state->dir_fd, "work", 0700);
    return r < 0 ? fail_below(state, "mkdir", "work", r, reterr) : 0;
}

static int describe(const struct prl_dirs *dirs, const struct prl_state_options *options,
                    struct prl_state *ret, struct prl_error *reterr)
{
    *ret = (struct prl_state){.dir_fd = -1,
                              .lock_fd = -1,
                              .marker_fd = -1,
                              .remove = options->remove || options->ephemeral,
                              .ephemeral = options->ephemeral};
    char made[PRL_NAME_MAX + 1];
    const char *name = options->name;
    int r = new_id(ret->id);
    if (r == 0 && !name && options->named) {
        r = prl_name_new(options->taken, made);
        name = made;
    }
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_STATE, -r, "getrandom", "id of the container");
    ret->path =
        prl_io_format("%s/containers/%s", ret->ephemeral ? dirs->runtime : dirs->data, ret->id);
    ret->name = name ? strdup(name) : NULL;
    if (!ret->path || (name && !ret->name))
        return prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc",
                             "path of the container");
    return 0;
}

static int make(const struct prl_dirs *dirs, const struct prl_state_options *options,
                struct prl_state *state, struct prl_error *reterr)
{
    int r = prl_entry_create(dirs, state, reterr);
    if (r == 0)
        r = make_directory(dirs, state, reterr);
    if (r == 0 && !state->ephemeral)
        r = make_marker(dirs, state, reterr);
    if (r == 0 && options->upper)
        r = make_upper(state, reterr);
    if (r == 0 && state->name)
        r = options->name ? prl_name_take(dirs, state, reterr)
                          : prl_name_offer(dirs, state, reterr);
    return r;
}

int prl_state_create(const struct prl_dirs *dirs, const struct prl_state_options *options,
                     struct prl_state *ret, struct prl_error *reterr)
{
    if (options->name) {
        int r = prl_name_check(options->name, reterr);
        if (r < 0)
            return r;
    }
    struct prl_state_options want = *options;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct prl_error ignored;
        struct prl_state state;
        int r = describe(dirs, &want, &state, reterr);
        if (r == 0)
            r = make(dirs, &want, &state, reterr);
        if (r == 0) {
            *ret = state;
            return 0;
        }
        prl_state_finish(dirs, &state, &ignored);
        if (r < 0)
            return r;
        want.taken++; /* its name may be the one that is taken */
    }
    return prl_failf(reterr, PRL_STAGE_STATE, EAGAIN, "flock",
                     "%s/running: other processes took %d new entries away, try again",
                     dirs->runtime, ATTEMPTS);
}

int prl_state_write_config(const struct prl_state *state, const char *json, size_t len,
                           struct prl_error *reterr)
{
    int r = prl_state_create_file(state->dir_fd, "config.json", json, len);
    return r < 0 ? fail_below(state, "write", "config.json", r, reterr) : 0;
}

int prl_state_rewrite_config(const struct prl_state *state, const char *json, size_t len,
                             struct prl_error *reterr)
{
    return prl_state_replace_config(state->dir_fd, state->path, json, len, reterr);
}

/* What is read meanwhile is the old one or the new one, and both were made when it was. */
int prl_state_replace_config(int dir_fd, const char *directory, const char *json, size_t len,
                             struct prl_error *reterr)
{
    static const char fresh[] = "config.json.new";
    struct stat st;
    int r = fstatat(dir_fd, "config.json", &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
    unlinkat(dir_fd, fresh, 0);
    if (r == 0)
        r = prl_state_create_file(dir_fd, fresh, json, len);
    const struct timespec times[] = {st.st_atim, st.st_mtim};
    if (r == 0 && (utimensat(dir_fd, fresh, times, AT_SYMLINK_NOFOLLOW) < 0 ||
                   renameat(dir_fd, fresh, dir_fd, "config.json") < 0))
        r = -errno;
    return r < 0 ? prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "%s/config.json", directory)
                 : 0;
}

/* Its line among the running entries, by what the state says now. */
static int rewrite_entry(const struct prl_state *state, struct prl_error *reterr)
{
    struct prl_entry entry = {0};
    int r = prl_entry_read(state->lock_fd, &entry);
    entry.remove = state->remove;
    entry.again = state->again;
    entry.restarts = state->restarts;
    if (r == 0)
        r = prl_entry_rewrite(state->lock_fd, &entry);
    prl_entry_free(&entry);
    return r < 0 ? prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "running/%s", state->id) : 0;
}

/* The marker of one that was made before: nobody else can have it, for the entry is there. */
static int mark_again(struct prl_state *state, struct prl_error *reterr)
{
    char line[PRL_NAME_MAX + 2];
    int n = snprintf(line, sizeof line, "%s\n", state->name ? state->name : "");
    state->marker_fd = openat(state->dir_fd, "remove",
                              O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (state->marker_fd < 0)
        return fail_below(state, "open", "remove", -errno, reterr);
    (void)flock(state->marker_fd, LOCK_EX | LOCK_NB);
    int r = prl_io_write_all(state->marker_fd, line, (size_t)n);
    return r < 0 ? fail_below(state, "write", "remove", r, reterr) : 0;
}

/* One that was made before begins: what its last run left is no longer so. */
static int begin_again(struct prl_state *state, struct prl_error *reterr)
{
    static const char over[][12] = {"created", "status.json", "paused"};
    int r = state->remove && state->marker_fd < 0 ? mark_again(state, reterr) : 0;
    if (r == 0 && state->remove)
        r = rewrite_entry(state, reterr);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof over / sizeof *over; i++)
        if (unlinkat(state->dir_fd, over[i], 0) < 0 && errno != ENOENT)
            return fail_below(state, "unlink", over[i], -errno, reterr);
    return 0;
}

int prl_state_write_child(struct prl_state *state, const struct prl_child *child,
                          struct prl_error *reterr)
{
    uint64_t start_ticks = 0;
    bool dead;
    if (state->again) {
        int begun = begin_again(state, reterr);
        if (begun < 0)
            return begun;
    }
    int r = prl_entry_start_ticks(child->pid, &start_ticks, &dead);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "read", "/proc/%d/stat", (int)child->pid);
    r = prl_entry_write_child(state->lock_fd, child->pid, start_ticks);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "running/%s", state->id);
    if (!state->remove && unlinkat(state->dir_fd, "remove", 0) < 0 && errno != ENOENT)
        return fail_below(state, "unlink", "remove", -errno, reterr);
    return 0;
}

static int write_usage(char *buf, size_t size, const struct prl_usage *usage)
{
    return snprintf(
        buf, size,
        "\"memory_peak_bytes\":%llu,\"cpu_ns\":%llu,\"io_read_bytes\":%llu,"
        "\"io_write_bytes\":%llu,\"throttled_ns\":%llu,\"memory_stall_ns\":%llu,"
        "\"cpu_stall_ns\":%llu,\"io_stall_ns\":%llu,\"pids_peak\":%u,"
        "\"oom_kills\":%u,\"pids_refused\":%u",
        (unsigned long long)usage->memory_peak_bytes, (unsigned long long)usage->cpu_ns,
        (unsigned long long)usage->io_read_bytes, (unsigned long long)usage->io_write_bytes,
        (unsigned long long)usage->throttled_ns, (unsigned long long)usage->memory_stall_ns,
        (unsigned long long)usage->cpu_stall_ns, (unsigned long long)usage->io_stall_ns,
        usage->pids_peak, usage->oom_kills, usage->pids_refused);
}

static const char *word_of(const struct prl_state_end *end)
{
    static const char words[][12] = {
        [0] = "unknown",
        [PRL_ENDED_EXIT] = "exit",
        [PRL_ENDED_SIGNAL] = "signal",
        [PRL_ENDED_TIMEOUT] = "timeout",
        [PRL_ENDED_KILLED] = "killed",
        [PRL_ENDED_OOM] = "oom",
        [PRL_ENDED_CPU_TIME] = "cpu-time",
    };
    if (end->ended_by)
        return end->ended_by;
    return words[end->status->ended_by < sizeof words / sizeof *words ? end->status->ended_by
                                                                      : 0];
}

/* A text as JSON has it; what cannot be shown is a blank. */
static void quote(const char *text, char *to, size_t size)
{
    size_t n = 0;
    for (; *text && n + 3 < size; text++) {
        if (*text == '"' || *text == '\\')
            to[n++] = '\\';
        to[n++] = (unsigned char)*text < ' ' ? ' ' : *text;
    }
    to[n] = '\0';
}

static int describe_end(const struct prl_state_end *end, char *json, size_t size)
{
    const struct prl_status *status = end->status;
    char used[512], error[1024] = "";
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long now_ns = (long long)now.tv_sec * 1000000000 + now.tv_nsec;
    long long started_ns =
        end->started_ns ? (long long)end->started_ns : now_ns - (long long)status->wall_ns;
    write_usage(used, sizeof used, &status->usage);
    quote(end->error ? end->error : "", error, sizeof error);
    return snprintf(json, size,
                    "{\"ended_by\":\"%s\",\"exit_code\":%d,\"signal\":%d,\"wall_ns\":%llu,"
                    "\"user_ns\":%llu,\"system_ns\":%llu,\"max_rss_bytes\":%llu,"
                    "\"usage\":{%s},\"finished_unix_ns\":%lld,\"started_unix_ns\":%lld,"
                    "\"restarts\":%u,\"error\":\"%s\"}\n",
                    word_of(end), (int)status->exit_code, (int)status->signal,
                    (unsigned long long)status->wall_ns, (unsigned long long)status->user_ns,
                    (unsigned long long)status->system_ns,
                    (unsigned long long)status->max_rss_bytes, used, end->error ? 0 : now_ns,
                    end->error ? 0 : started_ns, end->restarts, error);
}

int prl_state_record(int dir_fd, const struct prl_state_end *end)
{
    char json[2560];
    int n = describe_end(end, json, sizeof json);
    /* Whole or not there.  No fsync: it would cost every stop milliseconds for a record that
     * only a crash of the machine could lose. */
    unlinkat(dir_fd, "status.json.new", 0);
    int r = prl_state_create_file(dir_fd, "status.json.new", json, (size_t)n);
    if (r < 0)
        return r;
    return renameat(dir_fd, "status.json.new", dir_fd, "status.json") < 0 ? -errno : 0;
}

int prl_state_write_status(const struct prl_state *state, const struct prl_status *status,
                           struct prl_error *reterr)
{
    if (state->remove)
        return 0;
    int r = prl_state_record(
        state->dir_fd, &(struct prl_state_end){.status = status, .restarts = state->restarts});
    return r < 0 ? fail_below(state, "write", "status.json", r, reterr) : 0;
}

int prl_state_write_failure(const struct prl_state *state, const struct prl_error *error,
                            struct prl_error *reterr)
{
    char text[1024];
    const struct prl_status status = {.exit_code = prl_error_exit_code(error)};
    if (state->remove)
        return rewrite_entry(state, reterr);
    prl_error_format(error, text, sizeof text);
    text[strcspn(text, "\n")] = '\0';
    int r = prl_state_record(
        state->dir_fd,
        &(struct prl_state_end){.status = &status, .ended_by = "failed", .error = text});
    return r < 0 ? fail_below(state, "write", "status.json", r, reterr) : 0;
}

int prl_state_write_restarts(struct prl_state *state, unsigned restarts,
                             struct prl_error *reterr)
{
    state->restarts = restarts;
    state->again = true;
    return rewrite_entry(state, reterr);
}

void prl_state_close(struct prl_state *state)
{
    free(state->name);
    free(state->path);
    state->name = state->path = NULL;
    prl_close_p(&state->dir_fd);
    prl_close_p(&state->marker_fd);
    prl_close_p(&state->lock_fd);
}

int prl_state_finish(const struct prl_dirs *dirs, struct prl_state *state,
                     struct prl_error *reterr)
{
    struct prl_entry entry = {0};
    unsigned budget = UINT_MAX;
    int r = 0;
    if (state->lock_fd >= 0 && prl_entry_read(state->lock_fd, &entry) == 0) {
        if (entry.remove || (entry.pid == 0 && !entry.again))
            r = prl_removal_run(
                &(struct prl_removal){dirs, state->id, &entry, &budget, true, &state->marker_fd,
                                      state->volumes ? PRL_VOLUMES_REMOVE : PRL_VOLUMES_NONE},
                reterr);
        else
            r = prl_removal_forget(dirs, state->id, reterr);
    }
    prl_entry_free(&entry);
    prl_state_close(state);
    return r;
}
