/* look.c: what a box has used, and when its next limit can be reached at the earliest.
 * In: a running box.  Out: nanoseconds.  Never: a tick, except for pipes: processor time cannot
 * be used faster than the processors have it, memory not faster than it can be filled. */
#include "base/sys.h"
#include "container/monitor/exports.h"
#include "limits/exports.h"
#include "sandbox/deadlock/exports.h"
#include "sandbox/parts.h"

#include <sys/vfs.h>
#include <unistd.h>

enum { IDLE_CPU_NS = 500000 }; /* who used more between two looks is not looked at */
enum { ASKED_LEAST_NS = 500000, ASKED_MOST_NS = 8000000 }; /* from look to look */
enum { PIPES_NS = 100000000 }; /* so long a box may keep pipes from others */

/* --- processor time --- */

/* Of what the box's processes used, what a zygote's copy used before it had a program. */
static uint64_t since_brought(const struct prl_sandbox_watch *w, uint64_t used_ns)
{
    return used_ns > w->brought_ns ? used_ns - w->brought_ns : 0;
}

/* The first process is the init.  What it used to set the box up is not billed; what it uses to
 * reap is, as where a group counts: a chain of processes keeps it busy. */
static uint64_t tree_cpu_ns(struct prl_sandbox_watch *w)
{
    uint64_t used_ns = prl_cpu_tree_ns(&w->tree, w->child.pid);
    return since_brought(w, used_ns > w->setup_ns ? used_ns - w->setup_ns : 0);
}

static uint64_t group_cpu_ns(const struct prl_usage *usage, const struct prl_sandbox_watch *w)
{
    return usage->cpu_ns > w->cpu_before_ns ? usage->cpu_ns - w->cpu_before_ns : 0;
}

static uint64_t read_clock(struct prl_sandbox_watch *w)
{
    struct prl_status status = {0};
    switch (w->report->clock) {
    case PRL_CLOCK_PERF: {
        /* A program that may not be read leaves perf's clock at its exec, by the kernel's rule;
         * /proc still shows it.  Where perf's shows more, a hypervisor may have taken that. */
        uint64_t perf_ns = prl_taskclock_read(w->box.clock_fd) - w->cpu_before_ns;
        uint64_t tree_ns = tree_cpu_ns(w);
        if (perf_ns <= tree_ns || !prl_steal_happens())
            return perf_ns > tree_ns ? perf_ns : tree_ns;
        return prl_steal_corrected(perf_ns, tree_ns, prl_steal_since(w->steal_before_ns));
    }
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
    if (limit_ns == 0)
        return UINT64_MAX;
    if (now_ns < w->cpu_next_ns)
        return w->cpu_next_ns - now_ns;
    uint64_t used_ns = used_cpu_ns(w);
    if (used_ns >= limit_ns)
        return 0;
    uint64_t pause_ns = prl_cpu_pause_ns(limit_ns - used_ns, w->want->limits.processors,
                                         w->report->clock == PRL_CLOCK_PROC);
    w->cpu_next_ns = now_ns + pause_ns;
    return pause_ns;
}

/* The group's figure; else the most of three: perf's clock, what was seen, what was reaped in
 * the end. */
uint64_t prl_sandbox_cpu_final(struct prl_sandbox_watch *w)
{
    const struct prl_status *status = &w->report->status;
    uint64_t reaped_ns = status->user_ns + status->system_ns, used_ns = used_cpu_ns(w);
    w->report->clock_exact = w->report->clock != PRL_CLOCK_PROC &&
                             (w->report->clock != PRL_CLOCK_PERF || !prl_steal_happens());
    if (w->report->clock == PRL_CLOCK_CGROUP1 || w->report->clock == PRL_CLOCK_CGROUP2)
        return group_cpu_ns(&status->usage, w);
    reaped_ns = since_brought(w, reaped_ns > w->setup_ns ? reaped_ns - w->setup_ns : 0);
    return used_ns > reaped_ns ? used_ns : reaped_ns;
}

/* --- memory that no control group holds --- */

void prl_sandbox_count_put(struct prl_sandbox_watch *w, const struct prl_box_file *files,
                           size_t len)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < len; i++)
        w->put_bytes += (files[i].len + page - 1) / page * page;
}

uint64_t prl_sandbox_files_bytes(const struct prl_sandbox_watch *w)
{
    struct statfs fs;
    if (w->box.scratch_fd < 0 || fstatfs(w->box.scratch_fd, &fs) < 0)
        return 0;
    uint64_t bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize;
    return bytes > w->put_bytes ? bytes - w->put_bytes : 0;
}

/* Files are counted before the pages and after them: what goes from a file to a page meanwhile,
 * or the other way, is there once. */
static uint64_t used_memory(const struct prl_sandbox_watch *w, uint64_t limit_bytes)
{
    uint64_t before = prl_sandbox_files_bytes(w);
    uint64_t used = prl_watch_memory(w->child.pid, 0, limit_bytes, &before);
    if (used == UINT64_MAX || before > limit_bytes)
        return used;
    uint64_t after = prl_sandbox_files_bytes(w);
    return after < before ? used - (before - after) : used;
}

static uint64_t look_memory(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    uint64_t limit_bytes = prl_cgroups_watch_bytes(w->child.cgroups);
    if (limit_bytes == 0)
        return UINT64_MAX;
    if (now_ns < w->memory_next_ns)
        return w->memory_next_ns - now_ns;
    uint64_t used = used_memory(w, limit_bytes);
    if (used != UINT64_MAX && used > w->memory_seen_bytes)
        w->memory_seen_bytes = used;
    uint64_t kept = prl_sandbox_sockets_bytes(w->child.pid);
    used = kept > used ? kept : used;
    if (used > limit_bytes) {
        w->child.over_memory = true;
        return 0;
    }
    uint64_t pause_ns = prl_watch_pause_ns(used, limit_bytes);
    w->memory_next_ns = now_ns + pause_ns;
    return pause_ns;
}

/* --- a pair's other side has ended: does this one wait for it? --- */

/* Most wait by then.  Who works on is looked at ever less often. */
static uint64_t look_asked(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    struct prl_sandbox_pair *pair = w->want->pair;
    if (!pair || !prl_sandbox_pair_asked(pair, w->want->side))
        return UINT64_MAX;
    if (w->asked_ns == 0)
        w->asked_ns = w->asked_next_ns = now_ns;
    if (now_ns < w->asked_next_ns)
        return w->asked_next_ns - now_ns;
    if (prl_sandbox_awaits(w)) {
        prl_sandbox_pair_answer(pair, true);
        return UINT64_MAX;
    }
    uint64_t pause_ns = (now_ns - w->asked_ns) / 4;
    pause_ns = pause_ns < ASKED_LEAST_NS ? ASKED_LEAST_NS : pause_ns;
    pause_ns = pause_ns > ASKED_MOST_NS ? ASKED_MOST_NS : pause_ns;
    w->asked_next_ns = now_ns + pause_ns;
    return pause_ns;
}

/* --- pipes, which the kernel counts for the user --- */

static uint64_t look_pipes(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    if (now_ns < w->pipes_next_ns)
        return w->pipes_next_ns - now_ns;
    w->pipes_next_ns = now_ns + PIPES_NS;
    return prl_sandbox_takes_pipes(w->child.pid) ? 0 : PIPES_NS;
}

/* --- idleness --- */

/* A thread that waits for ever, but not for the side that asked, needs nothing from that
 * side. */
static bool pair_still(struct prl_sandbox_watch *w, bool still, uint64_t now_ns)
{
    struct prl_sandbox_pair *pair = w->want->pair;
    if (still && prl_sandbox_pair_asked(pair, w->want->side))
        prl_sandbox_pair_answer(pair, prl_sandbox_awaits(w));
    return prl_sandbox_pair_still(pair, w->want->side, still ? w->still_ns : 1,
                                  still ? now_ns : 0);
}

static uint64_t look_idle(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    uint64_t pause_ns = w->want->limits.idle_ns;
    if (pause_ns == 0)
        return UINT64_MAX;
    if (now_ns < w->idle_next_ns)
        return w->idle_next_ns - now_ns;
    w->idle_next_ns = now_ns + pause_ns;
    uint64_t cpu_ns = used_cpu_ns(w), mark = 0;
    bool stuck = cpu_ns - w->quiet_cpu_ns < IDLE_CPU_NS && prl_sandbox_stuck(w, now_ns, &mark);
    bool still = stuck && w->still_ns && mark == w->still_mark;
    w->quiet_cpu_ns = cpu_ns;
    if (!still) {
        w->still_ns = stuck ? prl_sys_now_ns() : 0;
        w->still_mark = mark;
    }
    if (w->want->pair)
        still = pair_still(w, still, now_ns);
    return still ? 0 : pause_ns;
}

/* Never at a limit: what it sees is told when the wall limit passes. */
static uint64_t look_busy(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    if (w->want->limits.wall_ns == 0)
        return UINT64_MAX;
    if (now_ns < w->busy.next_ns)
        return w->busy.next_ns - now_ns;
    return prl_sandbox_busy_look(w, now_ns, used_cpu_ns(w));
}

/* --- all of them --- */

static const struct {
    uint64_t (*look)(struct prl_sandbox_watch *w, uint64_t now_ns);
    unsigned flag;
} looks[PRL_SANDBOX_LOOKS] = {
    {look_cpu, PRL_TOUCHED_CPU},
    {look_memory, PRL_TOUCHED_MEMORY},
    {look_asked, 0}, /* it is no limit */
    {look_pipes, PRL_TOUCHED_MEMORY},
    {look_idle, PRL_TOUCHED_IDLE},
    {look_busy, 0},
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
    uint32_t group = prl_sandbox_group_clock(w->want->spec);
    if (group != PRL_CLOCK_NONE)
        return group;
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
    w->setup_ns = prl_cpu_of(w->child.pid);
    w->brought_ns = w->brought_pid ? prl_cpu_of(w->brought_pid) : 0;
    w->cpu_before_ns = 0;
    if (w->report->clock == PRL_CLOCK_CGROUP1 || w->report->clock == PRL_CLOCK_CGROUP2)
        w->cpu_before_ns = used_before(w);
    if (w->report->clock == PRL_CLOCK_PERF) {
        w->steal_before_ns = prl_steal_begin();
        if (w->child.held) /* the start barrier is not billed */
            w->cpu_before_ns = prl_taskclock_read(w->box.clock_fd);
    }
    prl_sandbox_busy_begin(w, w->start_ns);
    /* Nothing can be at a limit before: most programs have ended by then. */
    uint64_t limit_bytes = prl_cgroups_watch_bytes(w->child.cgroups);
    uint64_t earliest_ns = w->box.later ? w->start_ns : w->child.start_ns;
    w->cpu_next_ns =
        earliest_ns + prl_cpu_pause_ns(w->want->limits.cpu_ns, w->want->limits.processors,
                                       w->report->clock == PRL_CLOCK_PROC);
    w->memory_next_ns = earliest_ns + prl_watch_pause_ns(0, limit_bytes);
    w->pipes_next_ns = w->start_ns + PIPES_NS;
    w->idle_next_ns = w->start_ns + w->want->limits.idle_ns;
}
