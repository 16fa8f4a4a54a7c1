/* entry.c: the running entry of one container, RUNTIME/running/ID.
 * In: ids, pids.  Out: a locked file that says who runs where.  Never: the container's
 * directory.
 *
 * The entry is the first thing made and the last thing removed: whatever else a killed launcher
 * leaves can be found through it.  Between the creation of the file and its flock a sweep may
 * see it unlocked and take it for dead: the creator notices (lock taken, or no link left) and
 * starts again under another id. */
#include "container/state/entry.h"
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { SETTLE_MS = 10000, SETTLE_STEP_MS = 5 };
enum { PROC_STAT_BYTES = 1024, ENTRIES_BYTES = 2048 }; /* the command has 64 letters at most */
enum { PID_DIGITS = 10, TICKS_DIGITS = 20, FIXED = PID_DIGITS + 1 + TICKS_DIGITS };

bool prl_state_each(int dir_fd, prl_state_visit visit, void *data)
{
    _Alignas(8) char entries[ENTRIES_BYTES];
    for (;;) {
        long n = prl_sys_getdents(dir_fd, entries, sizeof entries);
        if (n <= 0)
            return n == 0;
        for (long at = 0; at < n;) {
            const void *here = entries + at;
            const struct prl_dirent *entry = here;
            bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
            if (!dots && !visit(dir_fd, entry, data))
                return false;
            at += entry->d_reclen;
        }
    }
}

bool prl_entry_is_id(const char *text)
{
    return strlen(text) == PRL_ID_LEN && strspn(text, "0123456789abcdef") == PRL_ID_LEN;
}

static int write_line(int fd, const struct prl_state *state)
{
    char line[PRL_LINE_MAX];
    int n = snprintf(line, sizeof line, "%0*d %0*d %s %s%s%s%s%s\n", PID_DIGITS, 0,
                     TICKS_DIGITS, 0, state->path, state->remove ? "remove" : "kept",
                     state->again ? ",again" : "", state->ephemeral ? ",throw-away" : "",
                     state->name ? ",name=" : "", state->name ? state->name : "");
    if (n < 0 || (size_t)n >= sizeof line)
        return -ENAMETOOLONG;
    return prl_io_write_all(fd, line, (size_t)n);
}

/* Never shorter than it was: a reader must not find the end of the old one behind it. */
int prl_entry_rewrite(int lock_fd, const struct prl_entry *entry)
{
    char line[PRL_LINE_MAX], restarts[32] = "";
    struct stat st;
    if (fstat(lock_fd, &st) < 0)
        return -errno;
    if (entry->restarts)
        snprintf(restarts, sizeof restarts, ",restarts=%u", entry->restarts);
    int n = snprintf(line, sizeof line, " %s %s%s%s%s%s%s", entry->directory,
                     entry->remove ? "remove" : "kept", entry->again ? ",again" : "", restarts,
                     entry->ephemeral ? ",throw-away" : "", entry->name[0] ? ",name=" : "",
                     entry->name);
    size_t len = (size_t)n, wanted = st.st_size > FIXED ? (size_t)st.st_size - FIXED : 0;
    if (n < 0 || len + 1 >= sizeof line - FIXED || wanted >= sizeof line - FIXED)
        return -ENAMETOOLONG;
    for (; len + 1 < wanted; len++)
        line[len] = ',';
    line[len++] = '\n';
    ssize_t written = pwrite(lock_fd, line, len, FIXED);
    if (written != (ssize_t)len)
        return written < 0 ? -errno : -EIO;
    /* Its date is when the container began. */
    return futimens(lock_fd, (const struct timespec[]){st.st_atim, st.st_mtim}) < 0 ? -errno
                                                                                    : 0;
}

/* Lock, and see that it is still ours to use.  1: lost it. */
static int claim(int fd)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 1 : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_nlink == 0)
        return 1;
    return (st.st_mode & 0777) != 0600 && fchmod(fd, 0600) < 0 ? -errno : 0;
}

bool prl_entry_is_held(int fd)
{
    bool held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (!held)
        flock(fd, LOCK_UN);
    return held;
}

int prl_entry_open(const struct prl_dirs *dirs, const char *id, int access)
{
    char path[32 + PRL_ID_LEN];
    snprintf(path, sizeof path, "running/%.64s", id);
    errno = ENOENT;
    return dirs->runtime_fd < 0
               ? -1
               : openat(dirs->runtime_fd, path, access | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* 1: it has begun; 0: nobody has it; -EAGAIN: somebody has it who has not begun it. */
static int look_once(const struct prl_dirs *dirs, const char *id)
{
    struct prl_entry entry = {0};
    _cleanup_close_ int fd = prl_entry_open(dirs, id, O_RDONLY);
    if (fd < 0 || !prl_entry_is_held(fd))
        return 0;
    if (prl_entry_read(fd, &entry) < 0)
        return -EAGAIN; /* its first line is being written */
    prl_entry_free(&entry);
    return entry.pid > 0 ? 1 : -EAGAIN;
}

int prl_entry_settle(const struct prl_dirs *dirs, const char *id)
{
    const struct timespec step = {.tv_nsec = SETTLE_STEP_MS * 1000000L};
    for (int waited = 0; waited < SETTLE_MS; waited += SETTLE_STEP_MS) {
        int r = look_once(dirs, id);
        if (r != -EAGAIN)
            return r;
        nanosleep(&step, NULL);
    }
    return -EBUSY;
}

int prl_entry_create(const struct prl_dirs *dirs, struct prl_state *state,
                     struct prl_error *reterr)
{
    char path[32 + PRL_ID_LEN];
    snprintf(path, sizeof path, "running/%s", state->id);
    _cleanup_close_ int fd = openat(dirs->runtime_fd, path,
                                    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, errno, "open", "%s/%s", dirs->runtime, path);
    int r = claim(fd);
    if (r == 0)
        r = write_line(fd, state);
    if (r == 0)
        state->lock_fd = steal_fd(&fd);
    else if (r < 0)
        unlinkat(dirs->runtime_fd, path, 0);
    return r < 0 ? prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "%s/%s", dirs->runtime, path)
                 : r;
}

int prl_entry_write_child(int lock_fd, pid_t pid, uint64_t start_ticks)
{
    char line[FIXED + 1];
    snprintf(line, sizeof line, "%0*d %0*llu", PID_DIGITS, (int)pid, TICKS_DIGITS,
             (unsigned long long)start_ticks);
    /* One write inside one page: a reader or a SIGKILL sees it whole or not at all. */
    ssize_t n = pwrite(lock_fd, line, FIXED, 0);
    if (n < 0)
        return -errno;
    return n == FIXED ? 0 : -EIO;
}

/* "kept,throw-away,name=web" */
static int parse_flags(char *flags, struct prl_entry *entry)
{
    char *save = NULL;
    for (char *flag = strtok_r(flags, ",", &save); flag; flag = strtok_r(NULL, ",", &save)) {
        if (strcmp(flag, "remove") == 0)
            entry->remove = true;
        else if (strcmp(flag, "again") == 0)
            entry->again = true;
        else if (strcmp(flag, "throw-away") == 0)
            entry->ephemeral = true;
        else if (strncmp(flag, "restarts=", 9) == 0)
            entry->restarts = (unsigned)strtoul(flag + 9, NULL, 10);
        else if (strncmp(flag, "name=", 5) == 0 && strlen(flag + 5) <= PRL_NAME_MAX)
            memcpy(entry->name, flag + 5, strlen(flag + 5) + 1);
        else if (strcmp(flag, "kept") != 0)
            return -EBADMSG;
    }
    return 0;
}

static int parse_line(char *line, size_t len, struct prl_entry *entry)
{
    if (len < FIXED + 4 || line[len - 1] != '\n' || line[PID_DIGITS] != ' ' ||
        line[FIXED] != ' ')
        return -EBADMSG;
    line[len - 1] = line[FIXED] = line[PID_DIGITS] = '\0';
    char *end;
    entry->pid = (pid_t)strtol(line, &end, 10);
    if (*end != '\0' || entry->pid < 0)
        return -EBADMSG;
    entry->start_ticks = strtoull(line + PID_DIGITS + 1, &end, 10);
    char *directory = line + FIXED + 1, *flags = strrchr(directory, ' ');
    if (*end != '\0' || !flags || directory[0] != '/')
        return -EBADMSG;
    *flags++ = '\0';
    int r = parse_flags(flags, entry);
    if (r < 0)
        return r;
    entry->directory = prl_io_format("%s", directory);
    return entry->directory ? 0 : -ENOMEM;
}

/* A plain file of this user's with one name: what a monitor makes, and nothing else is read. */
static bool is_own(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           st.st_nlink <= 1 && st.st_size <= PRL_LINE_MAX;
}

int prl_entry_read(int lock_fd, struct prl_entry *ret)
{
    struct prl_entry entry = {0};
    char line[PRL_LINE_MAX + 1];
    if (!is_own(lock_fd))
        return -EBADMSG;
    ssize_t n = pread(lock_fd, line, PRL_LINE_MAX, 0);
    if (n <= 0)
        return n < 0 ? -errno : -ENODATA;
    line[n] = '\0';
    int r = parse_line(line, (size_t)n, &entry);
    if (r == 0)
        *ret = entry;
    return r;
}

void prl_entry_free(struct prl_entry *entry)
{
    free(entry->directory);
    entry->directory = NULL;
}

/* Source: proc_pid_stat(5).  The command in field 2 may hold spaces and parentheses: fields
 * count from the last ")". */
int prl_entry_start_ticks(pid_t pid, uint64_t *ret, bool *ret_dead)
{
    char path[48], text[PROC_STAT_BYTES];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (prl_io_read_text(AT_FDCWD, path, text, sizeof text) < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    const char *field = strrchr(text, ')');
    if (!field || field[1] != ' ')
        return -EBADMSG;
    *ret_dead = field[2] == 'Z' || field[2] == 'X';
    for (int number = 2; field && number < 22; number++)
        field = strchr(field + 1, ' ');
    if (!field)
        return -EBADMSG;
    *ret = strtoull(field + 1, NULL, 10);
    return 0;
}
