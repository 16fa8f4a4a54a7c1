/* child.c: signalling, reaping and closing one container.
 * In: a prl_child.  Out: prl_status, or the signal is on its way.  Never: killing by
 * a pid that may be somebody else's; waiting in prl_child_signal, but for a busy program that
 * is about to take the signal. */
#include "container/monitor/child.h"

#include "base/error.h"
#include "base/own.h"
#include "base/process/helper.h"
#include "base/sys.h"
#include "container/monitor/mounts.h"
#include "container/monitor/wait.h"
#include "limits/exports.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

enum {
    LOOK_AGAIN_NS = 200000,
    SETTLE_NS =
        1000000000, /* a busy program gets a processor within it, or is not waited for */
};

/* Without a pidfd the pid of a child is safe as well: it stays taken until we reap it. */
static int send_to(pid_t pid, int pidfd, int signal)
{
    if (pidfd < 0)
        return kill(pid, signal);
    int r = prl_sys_pidfd_send_signal(pidfd, signal);
    return r < 0 && errno == ENOSYS ? kill(pid, signal) : r;
}

void prl_child_kill(const struct prl_child *child)
{
    if (child->pid > 0)
        (void)send_to(child->pid, child->pidfd, SIGKILL);
}

/* Only the first reason counts; a thread may be reaping at the same time. */
static void child_remember(struct prl_child *child, int signal)
{
    int none = 0;
    (void)__atomic_compare_exchange_n(&child->fatal_signal, &none, signal, false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Signals whose default action does not end a process: signal(7). */
static bool signal_terminates(int signal)
{
    switch (signal) {
    case 0:
    case SIGCHLD:
    case SIGCONT:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGURG:
    case SIGWINCH:
        return false;
    default:
        return true;
    }
}

/* A program inside sigwait(3) shows the signal as not blocked, and keeps it pending all the
 * same until it takes it.  One that is back in there has run in between; one that never ran had
 * nothing to take. */
static bool taken_by_sigwait(const struct prl_disposition *before,
                             const struct prl_disposition *now)
{
    return (before->sigwait || now->sigwait) && before->runs != now->runs;
}

/* Where the default action would end the first process of a pid namespace, the kernel drops the
 * signal (kernel/signal.c, sig_task_ignored and get_signal).
 *
 * 1. The default action stood before, and stands now.  Looked at twice: a handler that was set
 * in between has the signal, and one for a single time (SA_RESETHAND) was seen before.
 *
 * 2. A handler was there, but the process was in execve(2), which takes handlers away and
 * leaves signals pending: they meet the new program without one.  Such a process was busy
 * before, and has another image when the signal is gone.  One that slept was not in execve: its
 * handler ran, whatever it executed then.
 *
 * Unknown counts as not dropped: nothing is killed by guess. */
bool prl_first_dropped(pid_t pid, int signal, const struct prl_disposition *before)
{
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_NS};
    const uint64_t start_ns = prl_sys_now_ns();
    bool may_exec = before->caught && before->busy && before->image != 0;
    struct prl_disposition now;
    if (!before->defaults && !may_exec)
        return false;
    prl_disposition_take(pid, signal, &now);
    if (before->defaults)
        return now.defaults && !taken_by_sigwait(before, &now);
    while (now.pending && prl_sys_now_ns() - start_ns < SETTLE_NS) {
        nanosleep(&pause, NULL);
        prl_disposition_take(pid, signal, &now);
    }
    return now.defaults && now.image != 0 && now.image != before->image;
}

int prl_first_signal(pid_t pid, int pidfd, int signal, struct prl_error *reterr)
{
    char name[24];
    struct prl_disposition before = {0};
    if (signal != SIGKILL && signal_terminates(signal))
        prl_disposition_take(pid, signal, &before);
    if (send_to(pid, pidfd, signal) == 0)
        return prl_first_dropped(pid, signal, &before);
    snprintf(name, sizeof name, "signal %d", signal);
    return prl_fail(reterr, PRL_STAGE_MONITOR, "pidfd_send_signal", name);
}

int prl_child_signal(struct prl_child *child, int signal, struct prl_error *reterr)
{
    if (child->pid <= 0)
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, ESRCH, "pidfd_send_signal",
                             "a container that has ended");
    if (signal == SIGKILL)
        child_remember(child, SIGKILL);
    int r = prl_first_signal(child->pid, child->pidfd, signal, reterr);
    if (r <= 0)
        return r;
    child_remember(child, signal);
    prl_child_kill(child);
    return 1;
}

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* A SIGKILL of ours, or of the kernel for the memory limit, is reported as what it stood for.
 */
static void status_fill(const struct prl_child *child, int signal, bool timed_out,
                        struct prl_status *ret)
{
    int fatal_signal = __atomic_load_n(&child->fatal_signal, __ATOMIC_SEQ_CST);
    ret->exit_code = -1;
    ret->signal = signal;
    ret->ended_by = PRL_ENDED_SIGNAL;
    if (signal != SIGKILL)
        return;
    if (timed_out)
        ret->ended_by = PRL_ENDED_TIMEOUT;
    else if (fatal_signal == SIGKILL)
        ret->ended_by = PRL_ENDED_KILLED;
    else if (ret->usage.oom_kills > 0)
        ret->ended_by = PRL_ENDED_OOM;
    else if (child->over_cpu_time)
        ret->ended_by = PRL_ENDED_CPU_TIME;
    else if (fatal_signal > 0)
        ret->signal = fatal_signal;
}

/* One wait call.  1: reaped, *ret_code is an exit code or a negated signal. */
static int wait_once(const struct prl_child *child, int flags, int *ret_code,
                     struct rusage *usage)
{
    siginfo_t info = {0};
    if (child->pidfd >= 0) {
        if (prl_sys_waitid_pidfd(child->pidfd, &info, WEXITED | flags, usage) == 0) {
            *ret_code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
            return info.si_pid != 0;
        }
        if (errno != EINVAL)
            return -errno;
    }
    /* Fallback: Linux before 5.4 (P_PIDFD), or a filter that refuses pidfd_open. */
    int status = 0;
    pid_t pid = wait4(child->pid, &status, flags, usage);
    if (pid < 0)
        return -errno;
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return pid > 0;
}

int prl_child_reap(struct prl_child *child, int flags, bool timed_out, struct prl_status *ret,
                   struct prl_error *reterr)
{
    struct rusage usage = {0};
    int code = 0, r;
    do
        r = wait_once(child, flags, &code, &usage);
    while (r == -EINTR);
    if (r == -ECHILD)
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, ECHILD, "waitid",
                             "the container: somebody else reaped it, or this process "
                             "ignores SIGCHLD (set it to its default)");
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, -r, "waitid", "the container");
    if (r == 0)
        return 0;
    *ret = (struct prl_status){.ended_by = PRL_ENDED_EXIT, .exit_code = code};
    prl_cgroups_measure(child->cgroups, ret);
    if (child->over_memory && ret->usage.oom_kills == 0)
        ret->usage.oom_kills = 1;
    if (code < 0)
        status_fill(child, -code, timed_out, ret);
    ret->wall_ns = prl_sys_now_ns() - child->start_ns;
    ret->user_ns = timeval_ns(usage.ru_utime);
    ret->system_ns = timeval_ns(usage.ru_stime);
    ret->max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024u;
    ret->yields = (uint64_t)usage.ru_nvcsw;
    ret->preemptions = (uint64_t)usage.ru_nivcsw;
    child->pid = -1;
    return 1;
}

int prl_child_wait(struct prl_child *child, uint64_t kill_after_ns, struct prl_status *ret,
                   struct prl_error *reterr)
{
    struct prl_monitor_options options = {.wall_limit_ns = kill_after_ns};
    return prl_monitor_run(child, &options, ret, reterr);
}

/* In a copy of its parent that fork(2) made it is somebody else's. */
static bool is_ours(pid_t pid)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 ||
           errno != ECHILD;
}

void prl_child_close(struct prl_child *child)
{
    if (child->pid == 0) /* zeroed or closed: its descriptors are nobody's */
        return;
    if (child->pid > 0 && !is_ours(child->pid))
        return; /* so are its descriptors, and a copy lasts no longer than its program */
    if (child->pid > 0) {
        struct prl_status status;
        struct prl_error error;
        prl_child_kill(child);
        (void)prl_child_reap(child, 0, false, &status, &error);
    }
    if (child->held) {
        prl_close_p(&child->barrier_fd);
        prl_close_p(&child->mounts_fd);
    }
    if (child->left)
        prl_mounts_leave(&child->mounts_fd, 1);
    if (child->helper > 0) /* its mount is gone with the container */
        prl_helper_end(child->helper);
    if (child->network > 0) {
        kill(child->network, SIGKILL); /* it keeps nothing that would have to be written */
        prl_helper_end(child->network);
        prl_close_p(&child->network_fd);
    }
    if (child->egress > 0) {
        kill(child->egress, SIGKILL);
        prl_helper_end(child->egress);
    }
    if (child->supervisor > 0) /* it ends with its last call done */
        prl_helper_end(child->supervisor);
    prl_cgroups_remove(child->cgroups);
    prl_close_p(&child->pidfd);
    prl_close_p(&child->terminal_fd);
    *child = (struct prl_child){.pidfd = -1, .terminal_fd = -1};
}
