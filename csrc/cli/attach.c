/* attach.c: one interactive container: checks, two processes, the result.
 * In: prl_attach_options, the closures.  Out: prl_status, or "detached".
 * Never: a signal mask that differs afterwards. */
#include "cli/attach.h"

#include "base/error.h"
#include "base/own.h"
#include "cli/attach_keys.h"
#include "cli/attach_wire.h"
#include "monitor.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int check_options(const struct prl_attach_options *options, struct prl_attach_keys *keys,
                         struct prl_error *reterr)
{
    const char *text = options->detach_keys ? options->detach_keys : "ctrl-p,ctrl-q";
    if (options->interactive && !isatty(STDIN_FILENO))
        return prl_failf(reterr, PRL_STAGE_OPTIONS, ENOTTY, "--tty",
                         "the input device is not a TTY: leave out -t (keep -i to pipe input)");
    return prl_attach_keys_parse(text, keys, reterr);
}

void prl_attach_signals(sigset_t *ret)
{
    prl_monitor_signals(ret);
    sigaddset(ret, SIGWINCH);
}

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Nothing was started: there is still something to clean up. */
static int fail_early(const struct prl_attach_options *options, void *data, int r)
{
    struct prl_error second;
    if (options->finish)
        (void)options->finish(data, NULL, &second);
    return r;
}

int prl_attach_run(const struct prl_attach_options *options, prl_attach_start_fn start,
                   void *data, struct prl_status *ret, struct prl_error *reterr)
{
    struct prl_attach_keys keys;
    sigset_t front_signals, saved;
    int pair[2] = {-1, -1}, r = check_options(options, &keys, reterr);
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = prl_fail(reterr, PRL_STAGE_MONITOR, "socketpair", "front and monitor");
    if (r < 0)
        return fail_early(options, data, r);
    _cleanup_close_ int front_fd = pair[0], monitor_fd = pair[1];
    /* From here on signals wait for the front: none falls between the two processes. */
    prl_attach_signals(&front_signals);
    sigprocmask(SIG_BLOCK, &front_signals, &saved);
    pid_t monitor = fork();
    if (monitor == 0) {
        prl_close_p(&front_fd);
        sigprocmask(SIG_SETMASK, &saved, NULL);
        _exit(prl_attach_monitor(options, start, data, monitor_fd));
    }
    prl_close_p(&monitor_fd);
    r = monitor < 0 ? prl_fail(reterr, PRL_STAGE_MONITOR, "fork", "the monitor")
                    : prl_attach_front(options, &keys, front_fd, ret, reterr);
    prl_close_p(&front_fd); /* a monitor that was not told to go on ends now */
    if (monitor > 0 && r != PRL_ATTACH_DETACHED && r != -EINTR)
        wait_for(monitor);
    sigprocmask(SIG_SETMASK, &saved, NULL);
    return monitor < 0 ? fail_early(options, data, r) : r;
}
