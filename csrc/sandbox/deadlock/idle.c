/* idle.c: is a box stuck, because every thread waits for something that cannot come?
 * In: /proc/PID/task/TID/{stat,syscall} of a box that was quiet.  Out: yes or no.
 * Never: yes when something cannot be read, or may wake up by itself in time.
 *
 * Nobody outside can wake a box whose input is a file and that has no network.  A timer can.  A
 * wait with a timeout counts as endless if it is no shorter than the wall limit; open timer and
 * signal descriptors, POSIX timers and a handler for SIGALRM count as a timer that may fire.
 *
 * One look at many threads is not one moment: some may run before the others are looked at.  So
 * each look records how often each thread has given up its processor.  If two looks record the
 * same, none has run between them, and no writer waits for a pipe that this side empties.
 * Source: proc_pid_syscall(5), the system calls' own pages. */
#include "base/io.h"
#include "sandbox/deadlock/busy.h"
#include "sandbox/parts.h"

#include "base/own.h"
#include "base/sys_waits.h"
#include "container/monitor/exports.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PEAK_PROCESSES = 32 }; /* the first ones: they run on while they are looked at */

struct waits {
    const struct prl_sandbox_watch *w;
    uint64_t now_ns, mark;
    pid_t pid;
};

/* The timespec that a thread of the box waits by; false: it cannot be read. */
static bool read_timespec(pid_t pid, uint64_t address, struct timespec *ret)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && pread(fd, ret, sizeof *ret, (off_t)address) == (ssize_t)sizeof *ret;
}

/* As long as the wall limit, or beyond its end when it is a point in time. */
static bool is_beyond(const struct waits *s, const struct timespec *t, int clock)
{
    uint64_t wall_ns = s->w->want->limits.wall_ns, limit_ns = wall_ns;
    if (wall_ns == 0 || t->tv_sec < 0)
        return false;
    if (clock != PRL_WAIT_RELATIVE) {
        struct timespec now;
        if (clock_gettime(clock, &now) < 0)
            return false;
        uint64_t left_ns = s->w->start_ns + wall_ns - s->now_ns;
        limit_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + left_ns;
    }
    uint64_t seconds = (uint64_t)t->tv_sec;
    return seconds > limit_ns / 1000000000u || (seconds == limit_ns / 1000000000u &&
                                                (uint64_t)t->tv_nsec >= limit_ns % 1000000000u);
}

/* A lent stream that is a pipe or a socket: somebody else may feed it, or empty it.  Of a pair
 * that is the other box. */
static bool leads_outside(const struct waits *s, int fd)
{
    struct stat st;
    return !s->w->want->pair && fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) &&
           !S_ISCHR(st.st_mode);
}

static bool may_read_a_timer(const struct waits *s)
{
    char path[40], link[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)s->pid);
    _cleanup_closedir_ DIR *dir = opendir(path);
    const struct dirent *entry;
    if (!dir)
        return true;
    while ((entry = readdir(dir))) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        if (strstr(link, "[timerfd]") || strstr(link, "[signalfd]"))
            return true;
    }
    return false;
}

static bool has_timer(const struct waits *s)
{
    char path[40], text[256];
    snprintf(path, sizeof path, "/proc/%d/timers", (int)s->pid);
    return prl_io_read_text(AT_FDCWD, path, text, sizeof text) > 0;
}

/* The number behind a name of /proc/PID/status; UINT64_MAX: it is not there. */
static uint64_t number_of(const char *status, const char *name, int base)
{
    const char *at = strstr(status, name);
    return at ? strtoull(at + strlen(name), NULL, base) : UINT64_MAX;
}

/* SIGALRM would run a handler: what makes it cannot be seen. */
static bool may_be_woken(const char *status)
{
    return number_of(status, "\nSigCgt:\t", 16) >> (SIGALRM - 1) & 1;
}

static void add_to_mark(struct waits *s, uint64_t number)
{
    s->mark = (s->mark ^ number) * 0x100000001b3; /* FNV-1a, by words */
}

/* "NUMBER ARG ARG ARG ARG ARG ARG SP PC"; "running" and "-1 SP PC" are no call. */
static bool waits_for_ever(const struct waits *s, const char *text)
{
    long number;
    uint64_t args[6];
    struct timespec t;
    if (sscanf(text, "%ld %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
               &number, &args[0], &args[1], &args[2], &args[3], &args[4], &args[5]) != 7)
        return false;
    struct prl_wait wait = prl_sys_wait_of(number, args);
    switch (wait.kind) {
    case PRL_WAIT_ENDLESS:
        return true;
    case PRL_WAIT_READER:
        return !leads_outside(s, s->w->want->stdio[1]) &&
               !leads_outside(s, s->w->want->stdio[2]);
    case PRL_WAIT_MS:
        t = (struct timespec){wait.ms / 1000, wait.ms % 1000 * 1000000};
        return is_beyond(s, &t, PRL_WAIT_RELATIVE);
    case PRL_WAIT_TIMESPEC:
        return read_timespec(s->pid, wait.address, &t) && is_beyond(s, &t, wait.clock);
    default:
        return false;
    }
}

static bool thread_stuck(struct waits *s, const char *tid)
{
    char path[80], text[4096];
    char state = prl_sandbox_thread_state(s->pid, tid);
    bool ended = state == 'Z' || state == 'X' || state == 'T';
    if (!ended && state != 'S')
        return false;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/syscall", (int)s->pid, tid);
    if (!ended &&
        (prl_io_read_text(AT_FDCWD, path, text, sizeof text) <= 0 || !waits_for_ever(s, text)))
        return false;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", (int)s->pid, tid);
    if (prl_io_read_text(AT_FDCWD, path, text, sizeof text) <= 0 ||
        (!ended && may_be_woken(text)))
        return false;
    uint64_t yields = number_of(text, "\nvoluntary_ctxt_switches:\t", 10);
    add_to_mark(s, strtoull(tid, NULL, 10));
    add_to_mark(s, yields);
    add_to_mark(s, number_of(text, "\nnonvoluntary_ctxt_switches:\t", 10));
    return yields != UINT64_MAX;
}

static bool process_stuck(struct waits *s)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/task", (int)s->pid);
    _cleanup_closedir_ DIR *dir = opendir(path);
    const struct dirent *entry;
    if (!dir)
        return false;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && !thread_stuck(s, entry->d_name))
            return false;
    return !has_timer(s) && !may_read_a_timer(s);
}

bool prl_sandbox_stuck(const struct prl_sandbox_watch *w, uint64_t now_ns, uint64_t *ret_mark)
{
    struct waits s = {.w = w, .now_ns = now_ns};
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    if (!tree || w->child.pid <= 0 || leads_outside(&s, w->want->stdio[0]))
        return false;
    prl_tree_read(w->child.pid, tree);
    for (size_t i = 1; i < tree->len; i++) { /* the first one is the init */
        s.pid = tree->pids[i];
        if (!process_stuck(&s))
            return false;
    }
    *ret_mark = s.mark;
    return tree->len > 1 && !tree->full;
}

void prl_sandbox_peak(struct prl_sandbox_watch *w)
{
    char path[40], text[4096];
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    if (!tree || w->child.pid <= 0)
        return;
    prl_tree_read(w->child.pid, tree);
    for (size_t i = 1; i < tree->len && i <= PEAK_PROCESSES; i++) {
        snprintf(path, sizeof path, "/proc/%d/status", (int)tree->pids[i]);
        if (prl_io_read_text(AT_FDCWD, path, text, sizeof text) <= 0)
            continue;
        uint64_t kib = number_of(text, "\nVmHWM:\t", 10);
        if (kib != UINT64_MAX && kib * 1024 > w->memory_seen_bytes)
            w->memory_seen_bytes = kib * 1024;
    }
}
