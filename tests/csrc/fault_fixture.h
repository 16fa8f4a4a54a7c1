/* fault_fixture.h: a process of the test's own, killed at a system call or refused one.
 * In: a body that is to be killed; a call's number.  Out: whether it was killed; the call
 * refused from here on.  Never: another process. */
#pragma once

#include "base/sys.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* This process has no such call any more. */
static int refuse_call(unsigned number, unsigned errnum)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errnum),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prl_sys_seccomp_load(filter, 4);
}

/* Until its tracer lets it go on. */
static int run_traced(int (*body)(void))
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    return body();
}

/* Run it up to its nth stop and kill it there.  False: it came to its end before. */
static bool kill_at(int (*body)(void), int nth)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_traced(body));
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        exit(99);
    for (int i = 0; i < nth; i++) {
        ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
        if (waitpid(pid, &status, 0) != pid)
            exit(99);
        if (WIFEXITED(status))
            return WEXITSTATUS(status) == 0 ? false : (exit(98), false);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return true;
}
