/* sandbox_look.c: what a box has used, and when its next limit can be reached at the earliest.
 * In: a running box.  Out: nanoseconds.  Never: a tick: processor time cannot be used faster
 * than the processors have it, memory not faster than it can be filled. */
#include "base/own.h"
#include "base/sys.h"
#include "base/taskclock.h"
#include "cgroup.h"
#include "monitor_tree.h"
#include "monitor_watch.h"
#include "sandbox_parts.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PAUSE_MIN_NS = 200000, /* the least worth a sleep; what is left then may be exceeded */
    PROC_PAUSE_NS = 5000000,
    IDLE_CPU_NS = 500000, /* a quiet box may have used so much between two looks */
    IDLE_LOOKS = 2,
    CLOCK_KIND_SCHEDULER = 2, /* CPUCLOCK_SCHED of the kernel's clock ids */
};

/* --- processor time --- */

/* Of a living process with all its threads; 0: it is gone. */
static uint64_t own_cpu_ns(pid_t pid)
{
    struct timespec own = {0};
    (void)clock_gettime((clockid_t)((~(unsigned)pid << 3) | CLOCK_KIND_SCHEDULER), &own);
    return (uint64_t)own.tv_sec * 1000000000u + (uint64_t)own.tv_nsec;
}

/* Of what a living process reaped, in ticks. */
static uint64_t reaped_cpu_ns(pid_t pid)
{
    char path[40], text[512];
    unsigned long long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const char *at = prl_tree_text(path, text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
    if (at) /* fields 16 and 17: cutime and cstime */
        (void)sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %llu %llu",
                     &user, &system);
    return (user + system) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t seen_cpu_ns(const struct prl_sandbox_watch *w, pid_t pid)
{
    for (size_t i = 0; i < w->seen_len; i++)
        if (w->seen[i].pid == pid)
            return w->seen[i].cpu_ns;
    return 0;
}

/* The processes of this look take the place of the last one's; what is gone adds up. */
static void remember(struct prl_sandbox_watch *w, struct prl_sandbox_seen *now, size_t len)
{
    uint64_t before_ns = 0, still_ns = 0;
    for (size_t i = 0; i < w->seen_len; i++)
        before_ns += w->seen[i].cpu_ns;
    for (size_t i = 0; i < len; i++)
        still_ns += seen_cpu_ns(w, now[i].pid);
    w->vanished_ns += before_ns - still_ns;
    free(w->seen);
    w->seen = now;
    w->seen_len = len;
}

/* As /proc shows it: of those that live, and of the others what was reaped or what was seen of
 * them, whichever is more.  The first process is the init, which set the box up. */
static uint64_t tree_cpu_ns(struct prl_sandbox_watch *w)
{
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    uint64_t living_ns = 0, reaped_ns = 0;
    if (!tree || w->child.pid <= 0)
        return 0;
    prl_tree_read(w->child.pid, tree);
    struct prl_sandbox_seen *now = calloc(tree->len, sizeof *now);
    if (!now)
        return 0;
    for (size_t i = 0; i < tree->len; i++) {
        uint64_t own_ns = i ? own_cpu_ns(tree->pids[i]) : 0;
        now[i] = (struct prl_sandbox_seen){tree->pids[i], own_ns};
        living_ns += own_ns;
        reaped_ns += reaped_cpu_ns(tree->pids[i]);
    }
    remember(w, now, tree->len);
    return living_ns + (reaped_ns > w->vanished_ns ? reaped_ns : w->vanished_ns);
}

static uint64_t group_cpu_ns(const struct prl_usage *usage, const struct prl_sandbox_watch *w)
{
    return usage->cpu_ns > w->cpu_before_ns ? usage->cpu_ns - w->cpu_before_ns : 0;
}

static uint64_t read_clock(struct prl_sandbox_watch *w)
{
    struct prl_status status = {0};
    uint64_t perf_ns, tree_ns;
    switch (w->report->clock) {
    case PRL_CLOCK_PERF:
        /* A program that may not be read leaves perf's clock at its exec, by the kernel's
         * rule; /proc still shows it. */
        perf_ns = prl_taskclock_read(w->box.clock_fd) - w->cpu_before_ns;
        tree_ns = tree_cpu_ns(w);
        return perf_ns > tree_ns ? perf_ns : tree_ns;
    case PRL_CLOCK_PROC:
        return tree_cpu_ns(w);
    case PRL_CLOCK_CGROUP1:
    case PRL_CLOCK_CGROUP2:
        prl_cgroups_measure(w->child.cgroups, &status);
        return group_cpu_ns(&status.usage, w);
    default:
        return 0;
    }
}

/* Since the program was executed.  What was seen once stays: a process that /proc shows no
 * more took its time with it. */
static uint64_t used_cpu_ns(struct prl_sandbox_watch *w)
{
    uint64_t used_ns = read_clock(w);
    if (used_ns > w->report->cpu_ns)
        w->report->cpu_ns = used_ns;
    return w->report->cpu_ns;
}

static uint64_t look_cpu(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    uint64_t limit_ns = w->want->limits.cpu_ns;
    unsigned processors = w->want->limits.processors ? w->want->limits.processors : 1;
    if (limit_ns == 0)
        return UINT64_MAX;
    if (now_ns < w->cpu_next_ns)
        return w->cpu_next_ns - now_ns;
    uint64_t used_ns = used_cpu_ns(w);
    if (used_ns >= limit_ns)
        return 0;
    uint64_t pause_ns = (limit_ns - used_ns) / processors;
    if (w->report->clock == PRL_CLOCK_PROC && pause_ns > PROC_PAUSE_NS)
        pause_ns = PROC_PAUSE_NS; /* what ends unreaped in between is not seen */
    if (pause_ns < PAUSE_MIN_NS)
        pause_ns = PAUSE_MIN_NS;
    w->cpu_next_ns = now_ns + pause_ns;
    return pause_ns;
}

/* The group's figure; else the most of three: perf's clock, what was seen, what was reaped in
 * the end. */
uint64_t prl_sandbox_cpu_final(struct prl_sandbox_watch *w)
{
    const struct prl_status *status = &w->report->status;
    uint64_t reaped_ns = status->user_ns + status->system_ns, used_ns = used_cpu_ns(w);
    if (w->report->clock == PRL_CLOCK_CGROUP1 || w->report->clock == PRL_CLOCK_CGROUP2)
        return group_cpu_ns(&status->usage, w);
    reaped_ns = reaped_ns > w->setup_ns ? reaped_ns - w->setup_ns : 0;
    return used_ns > reaped_ns ? used_ns : reaped_ns;
}

/* --- memory that no control group holds --- */

static uint64_t look_memory(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    uint64_t limit_bytes = prl_cgroups_watch_bytes(w->child.cgroups);
    if (limit_bytes == 0)
        return UINT64_MAX;
    if (now_ns < w->memory_next_ns)
        return w->memory_next_ns - now_ns;
    uint64_t used = prl_watch_memory(w->child.pid, 0, limit_bytes);
    if (used != UINT64_MAX && used > w->memory_seen_bytes)
        w->memory_seen_bytes = used;
    if (used > limit_bytes) {
        w->child.over_memory = true;
        return 0;
    }
    uint64_t pause_ns = prl_watch_pause_ns(used, limit_bytes);
    w->memory_next_ns = now_ns + pause_ns;
    return pause_ns;
}

/* --- idleness --- */

static uint64_t look_idle(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    uint64_t pause_ns = w->want->limits.idle_ns;
    if (pause_ns == 0)
        return UINT64_MAX;
    if (now_ns < w->idle_next_ns)
        return w->idle_next_ns - now_ns;
    w->idle_next_ns = now_ns + pause_ns;
    uint64_t cpu_ns = used_cpu_ns(w);
    bool quiet = cpu_ns - w->quiet_cpu_ns < IDLE_CPU_NS;
    w->quiet_cpu_ns = cpu_ns;
    w->quiet = quiet && prl_sandbox_stuck(w, now_ns) ? w->quiet + 1 : 0;
    return w->quiet >= IDLE_LOOKS ? 0 : pause_ns;
}

/* --- all of them --- */

static const struct {
    uint64_t (*look)(struct prl_sandbox_watch *w, uint64_t now_ns);
    unsigned flag;
} looks[PRL_SANDBOX_LOOKS] = {
    {look_cpu, PRL_TOUCHED_CPU},
    {look_memory, PRL_TOUCHED_MEMORY},
    {look_idle, PRL_TOUCHED_IDLE},
};

uint64_t prl_sandbox_look(struct prl_sandbox_watch *w, unsigned which, uint64_t now_ns)
{
    return looks[which].look(w, now_ns);
}

unsigned prl_sandbox_look_flag(unsigned which)
{
    return looks[which].flag;
}

static uint32_t choose_clock(const struct prl_sandbox_watch *w)
{
    const struct prl_resources *res = &w->want->spec->resources;
    for (size_t i = 0; i < res->cgroups_len; i++) {
        if (res->cgroups[i].version2)
            return PRL_CLOCK_CGROUP2;
        if (res->cgroups[i].controllers & PRL_CONTROL_CPUACCT)
            return PRL_CLOCK_CGROUP1;
    }
    return w->box.clock_fd >= 0 ? PRL_CLOCK_PERF : PRL_CLOCK_PROC;
}

/* What the groups show of the set-up.  The program may have run for long before this side got
 * a processor again: more than the first process, which set the box up, and its second task
 * have used is the program's. */
static uint64_t used_before(struct prl_sandbox_watch *w)
{
    uint64_t group_ns = read_clock(w), setup_ns = w->setup_ns + w->box.beside_ns;
    return w->child.held || group_ns < setup_ns ? group_ns : setup_ns;
}

void prl_sandbox_begin(struct prl_sandbox_watch *w)
{
    w->start_ns = prl_sys_now_ns();
    w->report->clock = choose_clock(w);
    w->setup_ns = own_cpu_ns(w->child.pid);
    w->cpu_before_ns = 0;
    if (w->report->clock == PRL_CLOCK_CGROUP1 || w->report->clock == PRL_CLOCK_CGROUP2)
        w->cpu_before_ns = used_before(w);
    if (w->report->clock == PRL_CLOCK_PERF && w->child.held) /* the gate is not billed */
        w->cpu_before_ns = prl_taskclock_read(w->box.clock_fd);
    w->idle_next_ns = w->start_ns + w->want->limits.idle_ns;
}
