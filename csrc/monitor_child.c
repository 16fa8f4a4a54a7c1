/* monitor_child.c: signalling, reaping and closing one container.
 * In: a prl_child.  Out: prl_status, or the signal is on its way.  Never: blocking in
 * prl_child_signal, killing by a pid that may be somebody else's. */
#include "monitor_child.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Without a pidfd the pid is safe as well: it stays taken until we reap it. */
static int child_send(const struct prl_child *child, int signal)
{
    if (child->pidfd < 0)
        return kill(child->pid, signal);
    int r = prl_sys_pidfd_send_signal(child->pidfd, signal);
    return r < 0 && errno == ENOSYS ? kill(child->pid, signal) : r;
}

void prl_child_kill(const struct prl_child *child)
{
    if (child->pid > 0)
        (void)child_send(child, SIGKILL);
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

static bool status_has_signal(const char *status, const char *field, int signal)
{
    const char *mask = strstr(status, field) + strlen(field);
    return strtoull(mask, NULL, 16) >> (signal - 1) & 1;
}

/* Would this signal meet its default action?  Unknown counts as no: nothing is killed by guess.
 * A program inside sigwait(3) shows the signal as not blocked; but then it is pending until the
 * program takes it, while one that the kernel drops never is (kernel/signal.c, sig_ignored). */
static bool child_defaults(const struct prl_child *child, int signal)
{
    static const char *const fields[] = {
        "\nSigPnd:", "\nShdPnd:", "\nSigBlk:", "\nSigIgn:", "\nSigCgt:"};
    char path[40];
    _cleanup_free_ char *status = NULL;
    size_t len;
    snprintf(path, sizeof path, "/proc/%d/status", (int)child->pid);
    if (prl_io_read_file(AT_FDCWD, path, 4 << 20, &status, &len) < 0)
        return false;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!strstr(status, fields[i]) || status_has_signal(status, fields[i], signal))
            return false;
    return true;
}

int prl_child_signal(struct prl_child *child, int signal, struct prl_error *reterr)
{
    char name[24];
    snprintf(name, sizeof name, "signal %d", signal);
    if (child->pid <= 0)
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, ESRCH, "pidfd_send_signal", name);
    if (signal == SIGKILL)
        child_remember(child, SIGKILL);
    bool looks_fatal =
        signal != SIGKILL && signal_terminates(signal) && child_defaults(child, signal);
    if (child_send(child, signal) < 0)
        return prl_fail(reterr, PRL_STAGE_MONITOR, "pidfd_send_signal", name);
    /* Looked at twice: a handler that was set in between has the signal, and one that was set
     * for a single time (SA_RESETHAND) was seen before. */
    if (!looks_fatal || !child_defaults(child, signal))
        return 0;
    child_remember(child, signal);
    prl_child_kill(child);
    return 1;
}

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* A SIGKILL of ours is reported as what it stood for. */
static void status_fill(struct prl_status *ret, int signal, int fatal_signal, bool timed_out)
{
    ret->exit_code = -1;
    ret->signal = signal;
    ret->ended_by = PRL_ENDED_SIGNAL;
    if (signal != SIGKILL)
        return;
    if (timed_out)
        ret->ended_by = PRL_ENDED_TIMEOUT;
    else if (fatal_signal == SIGKILL)
        ret->ended_by = PRL_ENDED_KILLED;
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
    if (code < 0)
        status_fill(ret, -code, __atomic_load_n(&child->fatal_signal, __ATOMIC_SEQ_CST),
                    timed_out);
    ret->wall_ns = prl_sys_now_ns() - child->start_ns;
    ret->user_ns = timeval_ns(usage.ru_utime);
    ret->system_ns = timeval_ns(usage.ru_stime);
    ret->max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024u;
    child->pid = -1;
    return 1;
}

int prl_child_wait(struct prl_child *child, uint64_t kill_after_ns, struct prl_status *ret,
                   struct prl_error *reterr)
{
    struct prl_monitor_options options = {.wall_limit_ns = kill_after_ns};
    return prl_monitor_run(child, &options, ret, reterr);
}

void prl_child_close(struct prl_child *child)
{
    if (child->pid == 0) /* zeroed or closed: its descriptors are nobody's */
        return;
    if (child->pid > 0) {
        struct prl_status status;
        struct prl_error error;
        prl_child_kill(child);
        (void)prl_child_reap(child, 0, false, &status, &error);
    }
    prl_close_p(&child->pidfd);
    prl_close_p(&child->terminal_fd);
    *child = (struct prl_child){.pidfd = -1, .terminal_fd = -1};
}
