/* busy.c: was a box busy, or idle?  See busy.h.
 * In, out, never: as there.
 *
 * The kernel records how long a thread waited for a processor (schedstat) only while the thread
 * lives.  A chain of processes, each of which ends as soon as it has made the next, would leave
 * nothing.  So the box is looked at now and then: the time since the last look counts if half
 * of it was used as processor time, or if something in the box runs or waits for a processor at
 * that moment.  Source: proc(5), Documentation/scheduler/sched-stats.rst. */
#include "sandbox/deadlock/busy.h"
#include "base/io.h"

#include "base/own.h"
#include "container/monitor/exports.h"
#include "sandbox/parts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    LOOKS = 64, /* in the wall limit, but for */
    PAUSE_MIN_NS = 10000000,
    PAUSE_MAX_NS = 100000000,
};

char prl_sandbox_thread_state(pid_t pid, const char *tid)
{
    char path[80], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)pid, tid);
    const char *end =
        prl_io_read_text(AT_FDCWD, path, text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
    return end ? end[2] : '?';
}

/* A thread that was in the list and is gone when it is looked at has run in between. */
static bool process_runs(pid_t pid)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    _cleanup_closedir_ DIR *dir = opendir(path);
    const struct dirent *entry;
    if (!dir)
        return true;
    while ((entry = readdir(dir))) {
        char state =
            entry->d_name[0] == '.' ? 'S' : prl_sandbox_thread_state(pid, entry->d_name);
        if (state == 'R' || state == '?')
            return true;
    }
    return false;
}

static bool runs(const struct prl_sandbox_watch *w)
{
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    if (!tree || w->child.pid <= 0)
        return false;
    prl_tree_read(w->child.pid, tree);
    for (size_t i = 1; i < tree->len; i++) /* the first one is the init */
        if (process_runs(tree->pids[i]))
            return true;
    return tree->full;
}

static uint64_t pause_ns(const struct prl_sandbox_watch *w)
{
    uint64_t pause_ns = w->want->limits.wall_ns / LOOKS;
    if (pause_ns > PAUSE_MAX_NS)
        return PAUSE_MAX_NS;
    return pause_ns < PAUSE_MIN_NS ? PAUSE_MIN_NS : pause_ns;
}

void prl_sandbox_busy_begin(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    w->busy = (struct prl_sandbox_busy){.next_ns = now_ns + pause_ns(w), .at_ns = now_ns};
}

uint64_t prl_sandbox_busy_look(struct prl_sandbox_watch *w, uint64_t now_ns, uint64_t cpu_ns)
{
    struct prl_sandbox_busy *busy = &w->busy;
    uint64_t passed_ns = now_ns - busy->at_ns, used_ns = cpu_ns - busy->cpu_ns;
    if (used_ns >= passed_ns / 2 || runs(w))
        busy->sum_ns += passed_ns;
    busy->at_ns = now_ns;
    busy->cpu_ns = cpu_ns;
    busy->next_ns = now_ns + pause_ns(w);
    return pause_ns(w);
}

/* Time on a processor and time in the queue for one, of all threads that live. */
static uint64_t wanted_ns(pid_t pid)
{
    char path[80], text[128];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    _cleanup_closedir_ DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        uint64_t ran = 0, queued = 0;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", (int)pid, entry->d_name);
        if (entry->d_name[0] != '.' &&
            prl_io_read_text(AT_FDCWD, path, text, sizeof text) > 0 &&
            sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &queued) == 2)
            sum += ran + queued;
    }
    return sum;
}

bool prl_sandbox_busy(const struct prl_sandbox_watch *w)
{
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    uint64_t sum = 0, half_ns = w->want->limits.wall_ns / 2;
    if (w->busy.sum_ns >= half_ns)
        return true;
    if (!tree || w->child.pid <= 0)
        return false;
    prl_tree_read(w->child.pid, tree);
    for (size_t i = 1; i < tree->len; i++)
        sum += wanted_ns(tree->pids[i]);
    return sum >= half_ns;
}
