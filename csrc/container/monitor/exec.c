/* exec.c: see exec.h.
 * In, out: as there.  Never: a descriptor of the monitor's in the new process. */
#include "container/monitor/exec.h"

#include "base/own.h"
#include "base/sys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { WORDS_MAX = 4096, OWN_WORDS = 6 };

/* pyrootless exec --root DATA OPTION… ID PROGRAM ARGUMENT… */
static int make_argv(const struct prl_execution_wish *wish, const char **argv)
{
    static const char *const begin[] = {"pyrootless", "exec", "--root"};
    size_t n = 0, words = 0;
    for (; n < sizeof begin / sizeof *begin; n++)
        argv[n] = begin[n];
    if (wish->title)
        argv[0] = wish->title;
    argv[n++] = wish->data;
    if (wish->len == 0 || wish->words[wish->len - 1] != '\0' || wish->options < 0)
        return -EPROTO;
    for (const char *at = wish->words; at < wish->words + wish->len; at += strlen(at) + 1) {
        if (words == (size_t)wish->options)
            argv[n++] = wish->id;
        if (++words > WORDS_MAX)
            return -EPROTO;
        argv[n++] = at;
    }
    argv[n] = NULL;
    return words > (size_t)wish->options ? 0 : -EPROTO; /* else there is no program */
}

/* The new process. */
static void execute(const struct prl_execution_wish *wish, const char **argv)
{
    sigset_t none;
    sigemptyset(&none);
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* its container ends with the monitor as well */
    for (int i = 0; i < 3; i++)
        if (wish->streams[i] >= 0 && dup2(wish->streams[i], i) < 0)
            _exit(125);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", (char **)(uintptr_t)argv);
    _exit(125);
}

int prl_execution_start(struct prl_execution *execution, const struct prl_execution_wish *wish)
{
    _cleanup_free_ const char **argv = calloc(WORDS_MAX + OWN_WORDS, sizeof *argv);
    int r = argv ? make_argv(wish, argv) : -ENOMEM;
    if (r < 0)
        return r;
    pid_t pid = fork();
    if (pid == 0)
        execute(wish, argv);
    if (pid < 0)
        return -errno;
    execution->pidfd = prl_sys_pidfd_open(pid);
    if (execution->pidfd < 0) {
        r = -errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return r;
    }
    execution->pid = pid;
    return 0;
}

int prl_execution_reap(struct prl_execution *execution)
{
    int status = 0;
    if (waitpid(execution->pid, &status, WNOHANG) != execution->pid)
        return -1;
    prl_close_p(&execution->pidfd);
    *execution = (struct prl_execution){.pidfd = -1};
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
