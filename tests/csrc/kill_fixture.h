/* kill_fixture.h: a process of the test's own, killed at a system call.
 * In: a body that asks to be traced and stops, and then does what is to be killed.  Out:
 * whether it was killed.  Never: another process. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run it up to its nth stop and kill it there.  False: it came to its end before. */
static bool kill_at(int (*body)(void), int nth)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(body());
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
