/* cpu.c: see cpu.h.
 * In, out, never: as there.  Source: proc(5), clock_getcpuclockid(3). */
#include "container/monitor/cpu.h"
#include "base/io.h"

#include "base/own.h"
#include "container/monitor/tree.h"
#include "limits/exports.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PAUSE_MIN_NS = 200000, /* the least worth a sleep; what is left then may be exceeded */
    BLIND_PAUSE_NS = 5000000,
    CLOCK_KIND_SCHEDULER = 2, /* CPUCLOCK_SCHED of the kernel's clock ids */
};

uint64_t prl_cpu_of(pid_t pid)
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
    const char *at =
        prl_io_read_text(AT_FDCWD, path, text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
    if (at) /* fields 16 and 17: cutime and cstime */
        (void)sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %llu %llu",
                     &user, &system);
    return (user + system) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t seen_cpu_ns(const struct prl_cpu_tree *tree, pid_t pid)
{
    for (size_t i = 0; i < tree->seen_len; i++)
        if (tree->seen[i].pid == pid)
            return tree->seen[i].cpu_ns;
    return 0;
}

/* The processes of this look take the place of the last one's; what is gone adds up. */
static void remember(struct prl_cpu_tree *tree, struct prl_cpu_seen *now, size_t len)
{
    uint64_t before_ns = 0, still_ns = 0;
    for (size_t i = 0; i < tree->seen_len; i++)
        before_ns += tree->seen[i].cpu_ns;
    for (size_t i = 0; i < len; i++)
        still_ns += seen_cpu_ns(tree, now[i].pid);
    tree->vanished_ns += before_ns - still_ns;
    free(tree->seen);
    tree->seen = now;
    tree->seen_len = len;
}

uint64_t prl_cpu_tree_ns(struct prl_cpu_tree *tree, pid_t pid)
{
    _cleanup_free_ struct prl_tree *all = malloc(sizeof *all);
    uint64_t living_ns = 0, reaped_ns = 0;
    if (!all || pid <= 0)
        return 0;
    prl_tree_read(pid, all);
    struct prl_cpu_seen *now = calloc(all->len, sizeof *now);
    if (!now)
        return 0;
    for (size_t i = 0; i < all->len; i++) {
        uint64_t own_ns = prl_cpu_of(all->pids[i]);
        now[i] = (struct prl_cpu_seen){all->pids[i], own_ns};
        living_ns += own_ns;
        reaped_ns += reaped_cpu_ns(all->pids[i]);
    }
    remember(tree, now, all->len);
    return living_ns + (reaped_ns > tree->vanished_ns ? reaped_ns : tree->vanished_ns);
}

void prl_cpu_tree_free(struct prl_cpu_tree *tree)
{
    free(tree->seen);
    *tree = (struct prl_cpu_tree){.seen_len = 0};
}

uint64_t prl_cpu_pause_ns(uint64_t left_ns, unsigned processors, bool blind)
{
    uint64_t pause_ns = left_ns / (processors ? processors : 1);
    if (blind && pause_ns > BLIND_PAUSE_NS)
        pause_ns = BLIND_PAUSE_NS;
    return pause_ns < PAUSE_MIN_NS ? PAUSE_MIN_NS : pause_ns;
}

/* --- the limit of one container --- */

static uint64_t since(uint64_t now_ns, uint64_t before_ns)
{
    return now_ns > before_ns ? now_ns - before_ns : 0;
}

/* What was seen once stays: a process that /proc shows no more took its time with it. */
static uint64_t read_used(struct prl_cpu_watch *w, const struct prl_child *child)
{
    uint64_t used_ns = 0;
    if (w->held_by == PRL_BY_CGROUP2 || w->held_by == PRL_BY_CGROUP1)
        used_ns = since(prl_cgroups_cpu_ns(child->cgroups), w->before_ns);
    if (w->held_by == PRL_BY_CLOCK || w->held_by == PRL_BY_WATCHDOG)
        used_ns = since(prl_cpu_tree_ns(&w->tree, child->pid), w->tree_before_ns);
    if (w->held_by == PRL_BY_CLOCK) {
        /* A program that may not be read leaves perf's clock at its exec, by the kernel's rule;
         * /proc still shows it. */
        uint64_t clock_ns = prl_taskclock_read(prl_cgroups_clock_fd(child->cgroups));
        if (clock_ns > used_ns && prl_steal_happens())
            clock_ns =
                prl_steal_corrected(clock_ns, used_ns, prl_steal_since(w->steal_before_ns));
        used_ns = clock_ns > used_ns ? clock_ns : used_ns;
    }
    w->used_ns = used_ns > w->used_ns ? used_ns : w->used_ns;
    return w->used_ns;
}

void prl_cpu_watch_begin(struct prl_cpu_watch *w, const struct prl_child *child)
{
    enum prl_enforcement enforcement;
    *w = (struct prl_cpu_watch){.limit_ns =
                                    prl_cgroups_cpu_limit_ns(child->cgroups, &enforcement)};
    if (w->limit_ns == 0)
        return;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    w->held_by = enforcement;
    w->processors = processors > 0 ? (unsigned)processors : 1;
    w->before_ns = prl_cgroups_cpu_ns(child->cgroups);
    w->tree_before_ns = prl_cpu_of(child->pid);
    w->steal_before_ns = enforcement == PRL_BY_CLOCK ? prl_steal_begin() : 0;
}

uint64_t prl_cpu_watch_look(struct prl_cpu_watch *w, const struct prl_child *child,
                            uint64_t now_ns)
{
    if (w->limit_ns == 0 || child->over_cpu_time)
        return UINT64_MAX;
    if (now_ns < w->next_look_ns)
        return w->next_look_ns - now_ns;
    uint64_t used_ns = read_used(w, child);
    if (used_ns >= w->limit_ns)
        return 0;
    uint64_t pause_ns =
        prl_cpu_pause_ns(w->limit_ns - used_ns, w->processors, w->held_by == PRL_BY_WATCHDOG);
    w->next_look_ns = now_ns + pause_ns;
    return pause_ns;
}

uint64_t prl_cpu_watch_end(struct prl_cpu_watch *w, const struct prl_child *child)
{
    uint64_t used_ns = w->limit_ns ? read_used(w, child) : 0;
    prl_cpu_tree_free(&w->tree);
    return used_ns;
}
