/* pid1.c: the small init, a program of its own without a C library.
 * In: argv = "init", number of the report descriptor, path of the program, its argv;
 * environment. Out: the program as its child; signals passed on; zombies reaped; the child's
 * status as its own (128+n for a signal); for a sandbox ("REPORT,OUTCOME") status and usage
 * also as a record on the second descriptor.  If the program has no name, nothing is executed:
 * a zygote brings the program, and it is known by its number. Never: anything else: it is pid 1
 * of a container with hostile code, and its memory holds nothing but its arguments.  It is
 * embedded in the launcher and executed from a sealed memory file. Source: the kernel's system
 * call tables. */

#include "init/start.h"

#include "launch/steps/exports.h"

enum {
    SIG_BLOCK_ = 0,
    SIG_UNBLOCK_ = 1,
    SIGCHLD_ = 17,
    SIGTTIN_ = 21,
    SIGTTOU_ = 22,
    F_SETFD_ = 2,
    PR_SET_DUMPABLE_ = 4,
    WNOHANG_ = 1,
    CLOCK_MONOTONIC_ = 1,
    ETXTBSY_ = 26,
    CLONE_VM_ = 0x100,
    CLONE_VFORK_ = 0x4000,
    BUSY_PAUSE_NS = 200000,
    BUSY_TRIES = 5000,
    TIOCSPGRP_ = 0x5410,
    SET_BYTES = 8
};

static struct prl_box_outcome outcome;

/* A file that was put in from outside is open for writing as long as a child of another thread
 * of the caller's has a copy of the descriptor: until that child executes. */
static long execute(char **argv, char **envp)
{
    const long pause[2] = {0, BUSY_PAUSE_NS};
    const ulong none = 0;
    long r = call(NR_EXECVE, (ulong)argv[0], (ulong)(argv + 1), (ulong)envp, 0);
    for (int i = 0; r == -ETXTBSY_ && i < BUSY_TRIES; i++) {
        call(NR_SIGTIMEDWAIT, (ulong)&none, 0, (ulong)pause, SET_BYTES);
        r = call(NR_EXECVE, (ulong)argv[0], (ulong)(argv + 1), (ulong)envp, 0);
    }
    return r;
}

__attribute__((noinline, noreturn)) static void run_child(int report_fd, char **argv,
                                                          char **envp, ulong *all)
{
    /* A process group of its own, in the terminal's foreground: Ctrl-C must reach the program
     * and not this init. All signals are blocked here, so SIGTTOU does not stop it. */
    int group = (int)call(NR_GETPID, 0, 0, 0, 0);
    call(NR_SETPGID, 0, 0, 0, 0);
    call(NR_IOCTL, 0, TIOCSPGRP_, (ulong)&group, 0); /* fails without a terminal: fine */
    call(NR_SIGPROCMASK, SIG_UNBLOCK_, (ulong)all, 0, SET_BYTES);
    long r = execute(argv, envp);
    report(report_fd, PRL_STAGE_EXEC, r, (const char *[]){"execve", argv[0]});
    for (;;)
        call(NR_EXIT, 127, 0, 0, 0);
}

/* This memory is the child's too, until it executes: nothing of it is copied. */
__attribute__((noinline)) static long make_child(int report_fd, char **argv, char **envp,
                                                 ulong *all)
{
    call(NR_CLOCK_GETTIME, CLOCK_MONOTONIC_, (ulong)&outcome.start_s, 0, 0);
    long child = fork_here(CLONE_VM_ | CLONE_VFORK_ | SIGCHLD_);
    if (child == 0)
        run_child(report_fd, argv + 2, envp, all);
    if (child < 0) {
        report(report_fd, PRL_STAGE_EXEC, child, (const char *[]){"clone", "init"});
        call(NR_EXIT, 125, 0, 0, 0);
    }
    return child;
}

static void never_called(int signal)
{
    (void)signal;
}

/* Reap everything there is. Returns the exit code of `child` if it was reaped, else -1. The
 * peak of memory is that of any process reaped here. */
static int reap(long child, int outcome_fd)
{
    static long most_kib;
    int code = -1;
    for (;;) {
        long pid =
            call(NR_WAIT4, (ulong)-1L, (ulong)&outcome.status, WNOHANG_, (ulong)&outcome.usage);
        int status = outcome.status;
        if (pid <= 0)
            return code;
        if (outcome.usage.ru_maxrss > most_kib)
            most_kib = outcome.usage.ru_maxrss;
        if (pid != child)
            continue;
        outcome.usage.ru_maxrss = most_kib;
        code = (status & 0x7f) ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
        if (outcome_fd >= 0)
            call(NR_WRITE, (ulong)outcome_fd, (ulong)&outcome, sizeof outcome, 0);
    }
}

__attribute__((used, noreturn)) void bare_main(long *stack)
{
    long argc = stack[0];
    char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
    const char *numbers = argc > 3 ? argv[1] : "-", *second = numbers;
    int report_fd = *numbers == '-' ? -1 : number(numbers);
    while (*second && *second != ',')
        second++;
    int outcome_fd = *second ? number(second + 1) : -1;
    ulong all = ~0UL;
    call(NR_SIGPROCMASK, SIG_BLOCK_, (ulong)&all, 0, SET_BYTES);
    if (outcome_fd < 0) {
        /* Every signal stays blocked and is taken by sigtimedwait, so no handler runs. But
         * while that call waits, the kernel shows the signals as not blocked; with a handler it
         * shows them as caught, so nobody outside believes that they would end this process. A
         * sandbox gets no signals. */
        struct {
            void (*handler)(int);
            ulong flags;
            void *restorer;
            ulong mask;
        } action = {never_called, 0, 0, 0};
        for (ulong signal = 1; signal <= 64; signal++)
            call(NR_SIGACTION, signal, (ulong)&action, 0,
                 SET_BYTES); /* KILL and STOP: EINVAL */
    }
    if (report_fd < 0)
        call(NR_EXIT, 125, 0, 0, 0);
    call(NR_FCNTL, (ulong)report_fd, F_SETFD_, 1, 0);
    /* Nobody may look into the process that has the record's descriptor: /proc/PID and memory
     * of a process that is not "dumpable" are closed to other processes of its user. */
    if (outcome_fd >= 0) {
        call(NR_FCNTL, (ulong)outcome_fd, F_SETFD_, 1, 0);
        call(NR_PRCTL, PR_SET_DUMPABLE_, 0, 0, 0);
    }
    long child = *argv[2] ? make_child(report_fd, argv, envp, &all) : PRL_BOX_BROUGHT;
    call(NR_CLOSE, (ulong)report_fd, 0, 0, 0);
    for (;;) {
        long sig = call(NR_SIGTIMEDWAIT, (ulong)&all, 0, 0, SET_BYTES);
        if (sig == SIGCHLD_) {
            int code = reap(child, outcome_fd);
            if (code >= 0)
                call(NR_EXIT, (ulong)code, 0, 0, 0);
        } else if (sig > 0 && sig != SIGTTIN_ && sig != SIGTTOU_) {
            call(NR_KILL, (ulong)child, (ulong)sig, 0, 0);
        }
    }
}
