/* wait.c: waiting for a container while carrying its streams and signals.
 * In: a prl_child, relays, a control descriptor.  Out: prl_status.
 * Never: printing; a changed signal state after the return; memory that grows with the output,
 * but for what the caller asked to be kept. */
#include "container/monitor/wait.h"

#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/monitor/child.h"
#include "container/monitor/control.h"
#include "container/monitor/cpu.h"
#include "container/monitor/relay.h"
#include "container/monitor/watch.h"
#include "limits/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    AT_CHILD,
    AT_SIGNAL,
    AT_MEMORY,
    AT_PUMPS,
    AT_CONTROL = AT_PUMPS + 2 * PRL_RELAYS,
    FDS = AT_CONTROL + PRL_CONTROL_FDS,
    IMPATIENCE_LIMIT = 3,         /* SIGINT or SIGTERM, as docker's command line counts */
    FALLBACK_TICK_NS = 100000000, /* without a pidfd SIGCHLD may go to another thread */
};

struct loop {
    struct prl_child *child;
    const struct prl_monitor_options *options;
    struct prl_pump pumps[PRL_RELAYS];
    sigset_t saved_mask;
    int signal_fd;
    unsigned impatience;
    bool masked, pipe_was_pending; /* what has to be put back */
    bool timed_out, ended, abandoned;
    uint64_t watch_bytes; /* 0: a control group holds the memory, or nothing */
    uint64_t seen_bytes;  /* the most that the watchdog saw */
    uint64_t look_ns;     /* when to look next; CLOCK_MONOTONIC */
    struct prl_cpu_watch cpu;
};

/* --- signals --- */

/* Not forwarded: faults of this very process; SIGCHLD and SIGPIPE (ours); SIGTTIN and SIGTTOU,
 * which are about our own terminal; SIGURG, as docker and podman. */
static const int own_signals[] = {SIGCHLD, SIGPIPE, SIGTTIN, SIGTTOU, SIGURG, SIGSEGV,
                                  SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGSYS, SIGABRT};

void prl_monitor_catchable(sigset_t *ret)
{
    sigfillset(ret);
    for (size_t i = 0; i < sizeof own_signals / sizeof *own_signals; i++)
        sigdelset(ret, own_signals[i]);
}

/* What the caller ignores it goes on ignoring: nohup, background jobs. */
static bool is_ignored(int signal)
{
    struct sigaction action;
    return sigaction(signal, NULL, &action) < 0 || action.sa_handler == SIG_IGN;
}

void prl_monitor_signals(sigset_t *ret)
{
    prl_monitor_catchable(ret);
    for (int n = 1; n <= SIGRTMAX; n++)
        if (is_ignored(n))
            sigdelset(ret, n);
}

static bool pipe_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* SIGPIPE is blocked in this thread rather than ignored in the process: other threads do not
 * notice. */
static int signals_open(struct loop *loop, struct prl_error *reterr)
{
    sigset_t watched, blocked;
    sigemptyset(&watched);
    if (loop->options->forward_signals)
        prl_monitor_catchable(&watched);
    if (loop->child->pidfd < 0)
        sigaddset(&watched, SIGCHLD);
    if (loop->options->forward_signals || loop->child->pidfd < 0) {
        loop->signal_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
        if (loop->signal_fd < 0)
            return prl_fail(reterr, PRL_STAGE_MONITOR, "signalfd", "the forwarded signals");
    }
    blocked = watched;
    sigaddset(&blocked, SIGPIPE);
    loop->pipe_was_pending = pipe_pending();
    int r = pthread_sigmask(SIG_BLOCK, &blocked, &loop->saved_mask);
    if (r != 0)
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, r, "pthread_sigmask", "");
    loop->masked = true;
    return 0;
}

static void signal_forward(struct loop *loop, int signal)
{
    struct prl_error ignored;                    /* the container may be gone by now */
    if (signal == SIGCHLD || is_ignored(signal)) /* one that is blocked comes all the same */
        return;
    if (signal == SIGINT || signal == SIGTERM)
        loop->impatience++;
    if (loop->ended) {
        /* Only a slow reader still holds us. */
        loop->abandoned |=
            signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
        return;
    }
    if (loop->impatience >= IMPATIENCE_LIMIT)
        signal = SIGKILL;
    (void)prl_child_signal(loop->child, signal, &ignored);
}

static void signals_read(struct loop *loop)
{
    struct signalfd_siginfo info;
    while (read(loop->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        signal_forward(loop, (int)info.ssi_signo);
}

/* Signals that came while the container lived were for it: none is left for the caller. */
static void signals_close(struct loop *loop)
{
    if (loop->signal_fd >= 0)
        signals_read(loop);
    prl_close_p(&loop->signal_fd);
    if (!loop->masked)
        return;
    if (!loop->pipe_was_pending && pipe_pending()) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        (void)sigtimedwait(&set, NULL, &(struct timespec){0});
    }
    (void)pthread_sigmask(SIG_SETMASK, &loop->saved_mask, NULL);
}

/* --- relays --- */

static bool relay_used(const struct prl_relay *relay)
{
    if (relay->into || relay->outlet)
        return relay->from >= 0;
    return relay->from >= 0 && relay->to >= 0 && relay->from != relay->to;
}

/* The container's side of an unopened relay has to be closed all the same. */
static void relays_abandon(const struct prl_monitor_options *options, int first)
{
    for (int i = first; i < PRL_RELAYS; i++)
        if (relay_used(&options->relays[i]))
            close(i == PRL_RELAY_STDIN ? options->relays[i].to : options->relays[i].from);
}

/* Nothing is carried on: what the filter returns is not asked for. */
static size_t keep_output(void *data, char *bytes, size_t len)
{
    struct prl_capture *kept = data;
    if (kept->len + len > kept->size) {
        size_t size = 2 * (kept->len + len);
        char *grown = realloc(kept->bytes, size);
        if (!grown) {
            kept->lost = true;
            return 0;
        }
        kept->bytes = grown;
        kept->size = size;
    }
    if (len > 0)
        memcpy(kept->bytes + kept->len, bytes, len);
    kept->len += len;
    return 0;
}

static int relays_open(struct loop *loop, struct prl_error *reterr)
{
    static const char names[PRL_RELAYS][16] = {"standard input", "standard output",
                                               "standard error"};
    for (int i = 0; i < PRL_RELAYS; i++) {
        const struct prl_relay *relay = &loop->options->relays[i];
        int own = i == PRL_RELAY_STDIN ? PRL_PUMP_OWN_TO : PRL_PUMP_OWN_FROM;
        if (!relay_used(relay))
            continue;
        if (relay->into || relay->outlet)
            own |= PRL_PUMP_DISCARD;
        int r = prl_pump_open(&loop->pumps[i], relay->from, relay->to, own);
        if (r < 0) {
            relays_abandon(loop->options, i);
            return prl_fail_with(reterr, PRL_STAGE_MONITOR, -r, "relay", names[i]);
        }
        if (relay->into) {
            loop->pumps[i].filter = keep_output;
            loop->pumps[i].filter_data = relay->into;
        }
        if (relay->outlet) {
            loop->pumps[i].filter = prl_control_output;
            loop->pumps[i].filter_data = relay->outlet;
        }
    }
    return 0;
}

/* After the container's end: true when all output was carried. */
static bool relays_drained(struct loop *loop)
{
    bool drained = true;
    for (int i = 0; i < PRL_RELAYS; i++)
        drained &= prl_pump_drain(&loop->pumps[i]);
    return drained || loop->abandoned;
}

/* --- the loop --- */

static void loop_close(struct loop *loop)
{
    for (int i = 0; i < PRL_RELAYS; i++)
        prl_pump_close(&loop->pumps[i]);
    prl_cpu_tree_free(&loop->cpu.tree);
    signals_close(loop);
}
#define _cleanup_loop_ __attribute__((cleanup(loop_close)))

/* The memory of a container that no control group holds.  Returns how long until the next look.
 */
static uint64_t watch(struct loop *loop)
{
    uint64_t now_ns = prl_sys_now_ns();
    if (loop->watch_bytes == 0 || loop->child->over_memory)
        return UINT64_MAX;
    if (now_ns < loop->look_ns)
        return loop->look_ns - now_ns;
    uint64_t used =
        prl_watch_memory(loop->child->pid, loop->child->companion, loop->watch_bytes, NULL);
    if (used != UINT64_MAX && used > loop->seen_bytes)
        loop->seen_bytes = used;
    if (used > loop->watch_bytes) {
        loop->child->over_memory = true;
        prl_child_kill(loop->child);
        return UINT64_MAX;
    }
    uint64_t pause_ns = prl_watch_pause_ns(used, loop->watch_bytes);
    loop->look_ns = prl_sys_now_ns() + pause_ns;
    return pause_ns;
}

/* The processor time of a container, whatever counts it.  The same. */
static uint64_t watch_cpu(struct loop *loop)
{
    uint64_t pause_ns = prl_cpu_watch_look(&loop->cpu, loop->child, prl_sys_now_ns());
    if (pause_ns > 0)
        return pause_ns;
    loop->child->over_cpu_time = true;
    prl_child_kill(loop->child);
    return UINT64_MAX;
}

static const struct timespec *in_time(uint64_t left_ns, struct timespec *wait)
{
    if (left_ns == UINT64_MAX)
        return NULL;
    wait->tv_sec = (time_t)(left_ns / 1000000000u);
    wait->tv_nsec = (long)(left_ns % 1000000000u);
    return wait;
}

/* NULL: for ever.  Past the wall limit it kills.  full_ns: output is read again then; 0: it is
 * read. */
static const struct timespec *loop_timeout(struct loop *loop, uint64_t full_ns,
                                           struct timespec *wait)
{
    uint64_t left_ns = full_ns ? full_ns : UINT64_MAX, limit_ns = loop->options->wall_limit_ns;
    if (loop->ended)
        return in_time(left_ns, wait);
    if (limit_ns > 0 && !loop->timed_out) {
        uint64_t passed_ns = prl_sys_now_ns() - loop->child->start_ns;
        if (limit_ns > passed_ns) {
            left_ns = limit_ns - passed_ns < left_ns ? limit_ns - passed_ns : left_ns;
        } else {
            loop->timed_out = true;
            prl_child_kill(loop->child);
        }
    }
    const struct prl_control *control = loop->options->control;
    const uint64_t looks_ns[] = {watch(loop), watch_cpu(loop),
                                 control ? prl_control_due_ns(control) : UINT64_MAX};
    for (size_t i = 0; i < sizeof looks_ns / sizeof *looks_ns; i++)
        left_ns = looks_ns[i] < left_ns ? looks_ns[i] : left_ns;
    if (loop->child->pidfd < 0 && left_ns > FALLBACK_TICK_NS)
        left_ns = FALLBACK_TICK_NS;
    return in_time(left_ns, wait);
}

/* Version 1 of control groups kills one process where memory ran out: here go the others. */
static void end_for_memory(struct loop *loop)
{
    uint64_t times;
    if (read(prl_cgroups_oom_fd(loop->child->cgroups), &times, sizeof times) <= 0)
        return;
    loop->child->over_memory = true;
    prl_child_kill(loop->child);
}

/* Returns how many there are: who has no clients is not asked about any. */
static nfds_t loop_fill(const struct loop *loop, bool full, struct pollfd fds[FDS])
{
    const struct prl_control *control = loop->options->control;
    fds[AT_CHILD] = (struct pollfd){loop->ended ? -1 : loop->child->pidfd, POLLIN, 0};
    fds[AT_SIGNAL] = (struct pollfd){loop->signal_fd, POLLIN, 0};
    fds[AT_MEMORY] =
        (struct pollfd){loop->ended ? -1 : prl_cgroups_oom_fd(loop->child->cgroups), POLLIN, 0};
    for (int i = 0; i < PRL_RELAYS; i++) {
        prl_pump_poll(&loop->pumps[i], fds + AT_PUMPS + 2 * i);
        if (full)
            fds[AT_PUMPS + 2 * i].fd = -1;
    }
    if (!control)
        return AT_CONTROL;
    prl_control_poll(control, fds + AT_CONTROL);
    return FDS;
}

static int loop_reap(struct loop *loop, struct prl_status *ret, struct prl_error *reterr)
{
    int r = prl_child_reap(loop->child, WNOHANG, loop->timed_out, ret, reterr);
    if (r <= 0)
        return r;
    loop->ended = true;
    if (ret->usage.memory_peak_bytes == 0)
        ret->usage.memory_peak_bytes = loop->seen_bytes;
    uint64_t cpu_ns = prl_cpu_watch_end(&loop->cpu, loop->child);
    if (ret->usage.cpu_ns == 0)
        ret->usage.cpu_ns = cpu_ns;
    prl_pump_close(&loop->pumps[PRL_RELAY_STDIN]);
    return 0;
}

static int loop_turn(struct loop *loop, struct prl_status *ret, struct prl_error *reterr)
{
    struct pollfd fds[FDS];
    struct timespec wait;
    struct prl_control *control = loop->options->control;
    uint64_t full_ns = control ? prl_control_full_ns(control) : 0;
    const struct timespec *timeout = loop_timeout(loop, full_ns, &wait);
    nfds_t len = loop_fill(loop, full_ns > 0, fds);
    if (ppoll(fds, len, timeout, NULL) < 0) {
        if (errno == EINTR || errno == EAGAIN)
            return 0;
        return prl_fail(reterr, PRL_STAGE_MONITOR, "ppoll", "the container");
    }
    if (fds[AT_SIGNAL].fd >= 0 && fds[AT_SIGNAL].revents)
        signals_read(loop);
    if (fds[AT_MEMORY].revents)
        end_for_memory(loop);
    if (len == FDS)
        prl_control_step(control, loop->child, fds + AT_CONTROL);
    for (int i = 0; i < PRL_RELAYS; i++)
        prl_pump_step(&loop->pumps[i], fds + AT_PUMPS + 2 * i);
    if (!loop->ended && (fds[AT_CHILD].revents || loop->child->pidfd < 0))
        return loop_reap(loop, ret, reterr);
    return 0;
}

int prl_monitor_run(struct prl_child *child, const struct prl_monitor_options *options,
                    struct prl_status *ret, struct prl_error *reterr)
{
    _cleanup_loop_ struct loop loop = {.child = child, .options = options, .signal_fd = -1};
    for (int i = 0; i < PRL_RELAYS; i++)
        loop.pumps[i].from = loop.pumps[i].to = -1;
    loop.watch_bytes = prl_cgroups_watch_bytes(child->cgroups);
    prl_cpu_watch_begin(&loop.cpu, child);
    int r = 0;
    if (child->pid <= 0)
        r = prl_fail_with(reterr, PRL_STAGE_MONITOR, ECHILD, "waitid",
                          "the container was waited for already");
    if (r >= 0)
        r = signals_open(&loop, reterr);
    if (r < 0) {
        relays_abandon(options, 0);
        return r;
    }
    r = relays_open(&loop, reterr);
    while (r >= 0 && !(loop.ended && relays_drained(&loop)))
        r = loop_turn(&loop, ret, reterr);
    return r < 0 ? r : 0;
}
