/* run.c: the run of one box from its launch to its report; see run.h.
 * In: a spec, files, limits.  Out: facts.  Never: a tick: it sleeps until the next limit could
 * be reached at the earliest, or something happens; memory beyond the streams' limits. */
#include "sandbox/run.h"

#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/monitor/exports.h"
#include "launch/exports.h"
#include "limits/exports.h"
#include "sandbox/deadlock/exports.h"
#include "sandbox/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/vfs.h>

_Static_assert(sizeof((struct prl_error *)0)->subject <= PRL_UNFIT_BYTES, "a file's name fits");

enum { NOISE_AFTER_NS = 5000000 };
enum { AT_CHILD, AT_MEMORY, AT_BELL, AT_STREAMS, FDS = AT_STREAMS + PRL_STREAMS };

static void end_for(struct prl_sandbox_watch *w, unsigned flag)
{
    w->report->touched |= flag;
    if (w->killed)
        return;
    w->killed = true;
    w->report->killed_for = flag;
    prl_sandbox_peak(w);
    prl_child_kill(&w->child);
}

/* Not at once: the program starts meanwhile, and most are over before. */
static uint64_t look_noise(struct prl_sandbox_watch *w, uint64_t now_ns)
{
    if (now_ns - w->start_ns < NOISE_AFTER_NS)
        return w->start_ns + NOISE_AFTER_NS - now_ns;
    prl_sandbox_noise_read(&w->noise);
    w->has_noise = true;
    return UINT64_MAX;
}

/* The next moment at which something must be looked at, as nanoseconds from now. */
static uint64_t look(struct prl_sandbox_watch *w)
{
    uint64_t now_ns = prl_sys_now_ns(), next_ns = UINT64_MAX;
    const struct prl_sandbox_limits *limits = &w->want->limits;
    if (w->ended || w->killed)
        return UINT64_MAX;
    if (!w->has_noise)
        next_ns = look_noise(w, now_ns);
    if (limits->wall_ns) {
        uint64_t end_ns = w->start_ns + limits->wall_ns;
        if (now_ns >= end_ns) {
            w->report->running = prl_sandbox_busy(w);
            end_for(w, PRL_TOUCHED_WALL);
            return UINT64_MAX;
        }
        next_ns = end_ns - now_ns < next_ns ? end_ns - now_ns : next_ns;
    }
    for (unsigned i = 0; i < PRL_SANDBOX_LOOKS; i++) {
        uint64_t pause_ns = prl_sandbox_look(w, i, now_ns);
        if (pause_ns == 0) {
            end_for(w, prl_sandbox_look_flag(i));
            return UINT64_MAX;
        }
        next_ns = pause_ns < next_ns ? pause_ns : next_ns;
    }
    return next_ns;
}

static int reap(struct prl_sandbox_watch *w, struct prl_error *reterr)
{
    int r = prl_child_reap(&w->child, WNOHANG, false, &w->report->status, reterr);
    if (r <= 0)
        return r;
    uint64_t now_ns = prl_sys_now_ns();
    w->ended = true;
    /* Read when the init has ended, which it does right after it wrote this: waking up for the
     * record too would be one more wake of this side, for which the init may have to wait. */
    ssize_t n = read(w->box.outcome_fd, &w->outcome, sizeof w->outcome);
    w->has_outcome = n == (ssize_t)sizeof w->outcome;
    /* The program may have begun, and ended, before this side ran again. */
    if (w->has_outcome && w->outcome.start_s)
        w->start_ns =
            (uint64_t)w->outcome.start_s * 1000000000u + (uint64_t)w->outcome.start_ns;
    prl_close_p(&w->box.outcome_fd);
    w->report->wall_ns = now_ns - w->start_ns;
    return 0;
}

static bool drained(const struct prl_sandbox_watch *w)
{
    return w->streams[PRL_STREAM_OUT] < 0 && w->streams[PRL_STREAM_ERR] < 0;
}

static int bell_fd(const struct prl_sandbox_watch *w)
{
    return w->want->pair ? prl_sandbox_pair_bell(w->want->pair, w->want->side) : -1;
}

static int turn(struct prl_sandbox_watch *w, struct prl_error *reterr)
{
    uint64_t left_ns = look(w), rings;
    struct timespec wait = {(time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u)};
    struct pollfd fds[FDS] = {
        [AT_CHILD] = {w->ended ? -1 : w->child.pidfd, POLLIN, 0},
        [AT_MEMORY] = {w->ended ? -1 : prl_cgroups_oom_fd(w->child.cgroups), POLLIN, 0},
        [AT_BELL] = {bell_fd(w), POLLIN, 0},
        [AT_STREAMS + PRL_STREAM_OUT] = {w->streams[PRL_STREAM_OUT], POLLIN, 0},
        [AT_STREAMS + PRL_STREAM_ERR] = {w->streams[PRL_STREAM_ERR], POLLIN, 0},
    };
    if (ppoll(fds, FDS, left_ns == UINT64_MAX ? NULL : &wait, NULL) < 0)
        return errno == EINTR ? 0 : prl_fail(reterr, PRL_STAGE_MONITOR, "ppoll", "the box");
    for (unsigned i = 0; i < PRL_STREAMS; i++) {
        int r = fds[AT_STREAMS + i].revents ? prl_sandbox_take(w, i, reterr) : 0;
        if (r < 0)
            return r;
        if (r > 0)
            end_for(w, i == PRL_STREAM_OUT ? PRL_TOUCHED_STDOUT : PRL_TOUCHED_STDERR);
    }
    if (fds[AT_MEMORY].revents) {
        /* Version 1 of control groups kills one process where memory ran out; the others may
         * wait for it until the wall limit. */
        uint64_t times;
        if (read(prl_cgroups_oom_fd(w->child.cgroups), &times, sizeof times) > 0) {
            w->child.over_memory = true;
            end_for(w, PRL_TOUCHED_MEMORY);
        }
    }
    if (fds[AT_BELL].revents)
        eventfd_read(fds[AT_BELL].fd, &rings); /* the next look answers */
    return fds[AT_CHILD].revents ? reap(w, reterr) : 0;
}

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The clock's figure, unless what was reaped is more: each misses something that the other
 * sees. */
static void measure(struct prl_sandbox_watch *w)
{
    struct prl_sandbox_report *r = w->report;
    const struct rusage *usage = &w->outcome.usage;
    uint64_t program_ns = timeval_ns(usage->ru_utime) + timeval_ns(usage->ru_stime);
    program_ns -= program_ns > w->brought_ns ? w->brought_ns : program_ns;
    uint64_t clock_ns = prl_sandbox_cpu_final(w);
    r->wait_status = w->has_outcome ? w->outcome.status : -1;
    r->cpu_ns = max(clock_ns, w->has_outcome ? program_ns : 0);
    uint64_t tree_ns = r->status.user_ns + r->status.system_ns;
    /* What nobody reaped has no split of its own: in proportion. */
    r->system_ns =
        tree_ns ? (uint64_t)((double)r->cpu_ns * (double)r->status.system_ns / (double)tree_ns)
                : 0;
    r->user_ns = r->cpu_ns - r->system_ns;
    /* Without a group a program may have had more between two looks: the kernel tells the most
     * that a process ever had. */
    uint64_t limit_bytes = prl_cgroups_watch_bytes(w->child.cgroups);
    uint64_t peak_bytes =
        max(w->memory_seen_bytes, (uint64_t)w->outcome.usage.ru_maxrss * 1024u);
    if (limit_bytes)
        peak_bytes = max(peak_bytes, prl_sandbox_files_bytes(w));
    r->memory_peak_bytes = max(r->status.usage.memory_peak_bytes, peak_bytes);
    if (r->status.usage.oom_kills || (limit_bytes && peak_bytes > limit_bytes))
        r->touched |= PRL_TOUCHED_MEMORY;
    r->yields = w->has_outcome ? (uint64_t)usage->ru_nvcsw : r->status.yields;
    r->preemptions = w->has_outcome ? (uint64_t)usage->ru_nivcsw : r->status.preemptions;
    r->processes_exact = r->status.usage.pids_peak > 0;
    if (r->processes_exact)
        r->processes_peak = r->status.usage.pids_peak;
    if (r->status.usage.pids_refused)
        r->touched |= PRL_TOUCHED_PROCESSES;
    if (w->want->limits.cpu_ns && r->cpu_ns >= w->want->limits.cpu_ns)
        r->touched |= PRL_TOUCHED_CPU;
    /* Full at the end: so is the disk of a program that was refused a block or a name and went
     * on. */
    struct statfs fs;
    if (w->box.scratch_fd >= 0 && fstatfs(w->box.scratch_fd, &fs) == 0) {
        if (fs.f_blocks && fs.f_bavail == 0)
            w->report->touched |= PRL_TOUCHED_DISK;
        if (fs.f_files && fs.f_ffree == 0)
            w->report->touched |= PRL_TOUCHED_INODES;
    }
}

/* Not the program's end, not ended by us, not memory: nothing inside can end the init. */
static bool is_lost(const struct prl_sandbox_watch *w)
{
    return !w->has_outcome && !w->killed && !(w->report->touched & PRL_TOUCHED_MEMORY);
}

int prl_sandbox_streams(struct prl_sandbox_watch *w, struct prl_stdio *stdio,
                        struct prl_error *reterr)
{
    stdio->fds[0] = w->want->stdio[0];
    for (unsigned i = 0; i < PRL_STREAMS; i++) {
        int pair[2];
        stdio->fds[1 + i] = w->want->stdio[1 + i];
        if (stdio->fds[1 + i] >= 0)
            continue;
        if (pipe2(pair, O_CLOEXEC) < 0)
            return prl_fail(reterr, PRL_STAGE_BOX, "pipe2", "output");
        w->streams[i] = pair[0];
        w->lent[i] = stdio->fds[1 + i] = pair[1];
        if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
            return prl_fail(reterr, PRL_STAGE_BOX, "fcntl", "output");
    }
    return 0;
}

void prl_sandbox_close(struct prl_sandbox_watch *w)
{
    prl_child_close(&w->child);
    for (unsigned i = 0; i < PRL_STREAMS; i++) {
        prl_close_p(&w->streams[i]);
        prl_close_p(&w->lent[i]);
    }
    prl_cpu_tree_free(&w->tree);
    prl_close_p(&w->box.clock_fd);
    prl_close_p(&w->box.outcome_fd);
    prl_close_p(&w->box.scratch_fd);
    prl_close_p(&w->box.root_fd);
}
#define _cleanup_watch_ __attribute__((cleanup(prl_sandbox_close)))

int prl_sandbox_follow(struct prl_sandbox_watch *w, struct prl_error *reterr)
{
    struct prl_sandbox_report *report = w->report;
    int r = 0;
    while (r >= 0 && !(w->ended && drained(w)))
        r = turn(w, reterr);
    if (r < 0)
        return r;
    measure(w);
    if (is_lost(w))
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, ESRCH, "read",
                             "how the program ended: its init was killed from outside");
    if (w->has_noise)
        prl_sandbox_noise_since(&w->noise, &report->noise);
    report->scratch_fd = steal_fd(&w->box.scratch_fd);
    if (w->child.left) {
        report->mounts_fd = steal_fd(&w->child.mounts_fd);
        w->child.left = false;
    }
    return 0;
}

static int run(struct prl_sandbox_watch *w, struct prl_error *reterr)
{
    struct prl_stdio stdio;
    int r = prl_sandbox_streams(w, &stdio, reterr);
    if (r == 0)
        r = prl_launch_box(w->want->spec, &stdio, &w->box, &w->child, reterr);
    if (r < 0)
        return r;
    prl_sandbox_begin(w);
    if (w->want->left)
        prl_mounts_hold(&w->child);
    prl_close_p(&w->lent[0]);
    prl_close_p(&w->lent[1]);
    return prl_sandbox_follow(w, reterr);
}

void prl_sandbox_watch_init(struct prl_sandbox_watch *w, const struct prl_sandbox *want)
{
    *w = (struct prl_sandbox_watch){
        .want = want,
        .child = {.pid = -1, .pidfd = -1, .terminal_fd = -1},
        .box = PRL_BOX_NONE,
        .streams = {-1, -1},
        .lent = {-1, -1},
    };
    w->box.files = want->files;
    w->box.files_len = want->files_len;
    prl_sandbox_count_put(w, want->files, want->files_len);
    w->box.meter = want->clock && prl_sandbox_group_clock(want->spec) == PRL_CLOCK_NONE;
}

int prl_sandbox_unfit(int r, const struct prl_error *error, struct prl_sandbox_report *ret)
{
    if (r != -ENOSPC || error->stage != PRL_STAGE_BOX)
        return r;
    bool name = strcmp(error->syscall, "open") == 0 || strcmp(error->syscall, "mkdir") == 0;
    ret->killed_for = ret->touched = name ? PRL_TOUCHED_INODES : PRL_TOUCHED_DISK;
    memcpy(ret->unfit, error->subject, sizeof error->subject);
    return 0;
}

int prl_sandbox_run(const struct prl_sandbox *want, struct prl_sandbox_report *ret,
                    struct prl_error *reterr)
{
    _cleanup_watch_ struct prl_sandbox_watch watch;
    prl_sandbox_watch_init(&watch, want);
    *ret = PRL_SANDBOX_REPORT_NONE;
    watch.report = ret;
    int r = run(&watch, reterr);
    if (r < 0)
        prl_sandbox_report_free(ret);
    return prl_sandbox_unfit(r, reterr, ret);
}

void prl_sandbox_report_free(struct prl_sandbox_report *report)
{
    for (unsigned i = 0; i < PRL_STREAMS; i++)
        free(report->streams[i].data);
    int fds[PRL_MOUNTS_LEFT] = {report->mounts_fd, report->scratch_fd};
    if (report->mounts_fd >= 0)
        prl_mounts_leave(fds, PRL_MOUNTS_LEFT);
    prl_close_p(&fds[1]);
    *report = PRL_SANDBOX_REPORT_NONE;
}
