/* session.c: one container with a monitor of its own: checks, two processes, the result.
 * In: prl_attach_options, the closures.  Out: prl_status, or "it goes on".
 * Never: a signal mask that differs afterwards. */
#include "cli/attach/sides.h"

#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/monitor/exports.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int read_keys(const struct prl_attach_options *options, struct prl_attach_keys *keys,
                     struct prl_error *reterr)
{
    const char *text = options->detach_keys ? options->detach_keys : "ctrl-p,ctrl-q";
    return prl_attach_keys_parse(text, keys, reterr);
}

static int check_options(const struct prl_attach_options *options, struct prl_attach_keys *keys,
                         struct prl_error *reterr)
{
    if (!options->background && options->terminal && options->interactive && !options->deaf &&
        !isatty(STDIN_FILENO))
        return prl_failf(reterr, PRL_STAGE_OPTIONS, ENOTTY, "--tty",
                         "the input device is not a TTY: leave out -t (keep -i to pipe input)");
    return read_keys(options, keys, reterr);
}

void prl_attach_signals(sigset_t *ret)
{
    prl_monitor_signals(ret);
    sigaddset(ret, SIGWINCH);
}

/* Nothing was started: there is still something to clean up. */
static int fail_early(const struct prl_attach_options *options, void *data, int r,
                      const struct prl_error *error)
{
    prl_attach_fail(options, data, error);
    return r;
}

/* run -d: the monitor's first word is all that is waited for. */
static int await_start(int socket_fd, struct prl_error *reterr)
{
    static struct prl_record record;
    int fd, r = prl_record_receive(socket_fd, &record, &fd);
    prl_close_p(&fd);
    if (r > 0 && record.head.kind == PRL_RECORD_ATTACHED)
        return PRL_ATTACH_DETACHED;
    if (r <= 0 || record.head.kind != PRL_RECORD_FAILED)
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, ECHILD, "recvmsg",
                             "the container's monitor was killed, and the container with it");
    memcpy(reterr, record.bytes, sizeof *reterr);
    return -reterr->errnum;
}

/* The monitor is another process from here on. */
static pid_t fork_monitor(const struct prl_attach_options *options, prl_attach_start_fn start,
                          void *data, int pair[2])
{
    sigset_t signals, saved;
    sigemptyset(&signals);
    /* Signals wait for the front: none falls between the two processes. */
    if (!options->background)
        prl_attach_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, &saved);
    pid_t monitor = fork();
    if (monitor == 0) {
        prl_close_p(&pair[0]);
        sigprocmask(SIG_SETMASK, &saved, NULL);
        prl_attach_monitor(options, start, data, pair[1]);
        _exit(0);
    }
    prl_close_p(&pair[1]);
    return monitor;
}

int prl_attach_run(const struct prl_attach_options *options, prl_attach_start_fn start,
                   void *data, struct prl_status *ret, struct prl_error *reterr)
{
    struct prl_attach_keys keys;
    sigset_t saved;
    int pair[2] = {-1, -1}, r = check_options(options, &keys, reterr);
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = prl_fail(reterr, PRL_STAGE_MONITOR, "socketpair", "front and monitor");
    if (r < 0)
        return fail_early(options, data, r, reterr);
    sigprocmask(SIG_SETMASK, NULL, &saved);
    pid_t monitor = fork_monitor(options, start, data, pair);
    const struct prl_attach_front how = {
        .options = options, .keys = &keys, .socket_fd = pair[0], .starter = true};
    if (monitor < 0)
        r = prl_fail(reterr, PRL_STAGE_MONITOR, "fork", "the monitor");
    else if (options->background)
        r = await_start(pair[0], reterr);
    else
        r = prl_attach_front(&how, ret, reterr);
    prl_close_p(&pair[0]); /* a monitor that was not told to go on ends now */
    if (monitor > 0 && r != PRL_ATTACH_DETACHED && r != -EINTR && !options->leaves)
        prl_sys_reap(monitor, NULL);
    sigprocmask(SIG_SETMASK, &saved, NULL);
    return monitor < 0 ? fail_early(options, data, r, reterr) : r;
}

int prl_attach_connect(const struct prl_dirs *dirs, const char *id, const char *name,
                       struct prl_error *reterr)
{
    int fd = prl_control_connect(dirs, id);
    if (fd == -ENOENT || fd == -ECONNREFUSED)
        return prl_failf(reterr, PRL_STAGE_MONITOR, ENOTSUP, "attach",
                         "container %.80s runs in the foreground of the process that started "
                         "it, where its streams are: a second program is run by \"pyrootless "
                         "exec\"",
                         name);
    if (fd < 0)
        return prl_failf(reterr, PRL_STAGE_MONITOR, -fd, "connect", "%s/control/%s",
                         dirs->runtime, id);
    return fd;
}

int prl_attach_join(const struct prl_attach_options *options, int control_fd,
                    struct prl_status *ret, struct prl_error *reterr)
{
    const struct prl_record_head head = {
        .kind = PRL_RECORD_ATTACH,
        .value = PRL_ATTACH_REPLAY | (options->interactive ? PRL_ATTACH_INPUT : 0)};
    _cleanup_close_ int fd = control_fd;
    struct prl_attach_keys keys;
    sigset_t signals, saved;
    int signal = 0, r = read_keys(options, &keys, reterr);
    const struct prl_attach_front how = {
        .options = options, .keys = &keys, .socket_fd = fd, .ret_signal = &signal};
    if (r < 0)
        return r;
    prl_attach_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, &saved);
    (void)prl_record_send(fd, &head, NULL); /* fails: the front sees the same */
    r = prl_attach_front(&how, ret, reterr);
    sigprocmask(SIG_SETMASK, &saved, NULL);
    if (signal > 0)
        raise(signal);
    return r;
}
