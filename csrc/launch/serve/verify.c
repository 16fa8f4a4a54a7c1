/* verify.c: the program is stopped right after its exec while its set-up is read back.
 * In: the child before its set-up (watch), then when it has executed (verify).  Out: a program
 * that goes on, or the first thing that was not applied.
 * Never: a program that runs an instruction before everything was read; a change to the traced
 * process.
 *
 * The kernel stops a traced process at the end of execve(2), when it has become what it is
 * going to be and before its first instruction.  Attaching comes before the set-up, because
 * later a change of ids may forbid it.  Source: ptrace(2), "Stopped states". */
#include "launch/serve/parent.h"

#include "base/own.h"
#include "launch/steps/exports.h"
#include "verify/check.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { EVENT_SHIFT = 16 };

int prl_serve_watch(const struct prl_spec *spec, pid_t pid, struct prl_error *reterr)
{
    unsigned long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC;
    if (spec->init) /* the program is its child */
        options |= PTRACE_O_TRACEFORK;
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) < 0)
        return prl_fail(reterr, PRL_STAGE_VERIFY, "ptrace", "PTRACE_SEIZE");
    return 0;
}

/* 1: it is stopped, *ret_status is wait's; 0: it has ended, and is still to be reaped. */
static int wait_stop(pid_t pid, int *ret_status)
{
    siginfo_t info = {0};
    int r;
    do
        r = waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL);
    while (r < 0 && errno == EINTR);
    if (r < 0 || (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED))
        return 0;
    return waitpid(pid, ret_status, __WALL) == pid ? 1 : 0;
}

/* Let it run up to an event; signals on the way are its own. */
static int run_to(pid_t pid, int event)
{
    int status;
    while (wait_stop(pid, &status)) {
        int seen = status >> EVENT_SHIFT;
        if (seen == event)
            return 1;
        uintptr_t signal = seen ? 0 : (uintptr_t)WSTOPSIG(status);
        if (ptrace(PTRACE_CONT, pid, NULL, (void *)signal) < 0)
            return 0;
    }
    return 0;
}

static int verify(const struct prl_setup *s, pid_t pid, unsigned descriptors,
                  struct prl_error *reterr)
{
    const struct prl_verify v = {.spec = s->spec,
                                 .pid = pid,
                                 .filters =
                                     (s->filter != NULL) + (s->fake_filter != NULL) + s->fence,
                                 .descriptors = descriptors,
                                 .program = s->filter,
                                 .program_bytes = (size_t)s->filter_len * 8};
    return prl_verify(&v, reterr);
}

/* The small init starts the program as its child, which stops as it did. */
static int verify_program(const struct prl_setup *s, pid_t init, struct prl_error *reterr)
{
    unsigned long number = 0;
    if (ptrace(PTRACE_CONT, init, NULL, NULL) < 0 || !run_to(init, PTRACE_EVENT_FORK))
        return 0; /* its report says why */
    if (ptrace(PTRACE_GETEVENTMSG, init, NULL, &number) < 0)
        return prl_fail(reterr, PRL_STAGE_VERIFY, "ptrace", "PTRACE_GETEVENTMSG");
    pid_t program = (pid_t)number;
    ptrace(PTRACE_CONT, init, NULL, NULL);
    int r = run_to(program, PTRACE_EVENT_EXEC) ? verify(s, program, 0, reterr) : 1;
    if (r != 0) {
        /* A dead one is reaped here: until then it would keep the end of its container waiting.
         */
        kill(program, SIGKILL);
        waitpid(program, NULL, __WALL);
    } else
        ptrace(PTRACE_DETACH, program, NULL, NULL);
    ptrace(PTRACE_INTERRUPT, init, NULL, NULL);
    run_to(init, PTRACE_EVENT_STOP);
    return r < 0 ? r : 0;
}

int prl_serve_verify(const struct prl_setup *s, pid_t pid, struct prl_error *reterr)
{
    bool held = s->barrier_fd >= 0, init = s->spec->init;
    if (!run_to(pid, PTRACE_EVENT_EXEC))
        return 0; /* its report says why */
    int r = verify(s, pid, held ? 2 : init, reterr);
    if (r == 0 && init && !held)
        r = verify_program(s, pid, reterr);
    if (r < 0)
        kill(pid, SIGKILL); /* detached, it would run */
    else
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return r;
}
