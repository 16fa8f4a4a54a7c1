/* attach_monitor.c: the monitor's side of an attached container.
 * In: the closures that start and finish it, the socket to the front.  Out: records.
 * Never: printing, the user's terminal after the start. */
#include "cli/attach_wire.h"
#include "cli/streams.h"

#include "base/error.h"
#include "base/own.h"
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int on_message(void *data, struct prl_child *child)
{
    struct prl_attach_message message;
    struct prl_error ignored; /* a container that is gone needs no signal */
    int fd, r = prl_attach_receive(*(int *)data, &message, &fd);
    prl_close_p(&fd);
    if (r > 0 && message.kind == PRL_ATTACH_DETACH)
        return 1;
    if (r > 0 && message.kind == PRL_ATTACH_SIGNAL) {
        (void)prl_child_signal(child, message.value, &ignored);
        return 0;
    }
    (void)prl_child_signal(child, SIGKILL, &ignored); /* the front died */
    return 1;
}

static void send_failure(int socket_fd, const struct prl_error *error)
{
    struct prl_attach_message message = {.kind = PRL_ATTACH_FAILED, .error = *error};
    (void)prl_attach_send(socket_fd, &message, -1);
}

/* Returns 0 with *ret filled when the container lived and ended. */
static int monitor_container(const struct prl_attach_options *options, struct prl_child *child,
                             int socket_fd, struct prl_status *ret)
{
    struct prl_error error = {0};
    struct prl_attach_message started = {.kind = PRL_ATTACH_STARTED};
    struct prl_monitor_options how = {.wall_limit_ns = options->wall_limit_ns,
                                      .forward_signals = true,
                                      .control = on_message,
                                      .control_fd = socket_fd,
                                      .control_data = &socket_fd};
    /* Held open so that the terminal never looks closed while the container lives, whatever its
     * program does; without it (before Linux 4.13) such a program loses its output. */
    _cleanup_close_ int other_side =
        ioctl(child->terminal_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    (void)prl_attach_send(socket_fd, &started, child->terminal_fd); /* fails: it hangs up */
    prl_streams_leave();
    int r = prl_monitor_run(child, &how, ret, &error);
    if (r < 0) {
        send_failure(socket_fd, &error);
        return r;
    }
    struct prl_attach_message ended = {.kind = PRL_ATTACH_ENDED, .status = *ret};
    (void)prl_attach_send(socket_fd, &ended, -1);
    return 0;
}

int prl_attach_monitor(const struct prl_attach_options *options, prl_attach_start_fn start,
                       void *data, int socket_fd)
{
    struct prl_child child = {.pidfd = -1, .terminal_fd = -1};
    struct prl_attach_message finished = {.kind = PRL_ATTACH_FINISHED};
    struct prl_status status = {0};
    struct prl_error error = {0};
    (void)setsid(); /* the keys of the user's terminal are not for us */
    int r = start(data, &child, &error);
    if (r >= 0 && child.terminal_fd < 0)
        r = prl_fail_with(&error, PRL_STAGE_TERMINAL, ENOTTY, "attach",
                          "the container has no terminal of its own");
    if (r < 0)
        send_failure(socket_fd, &error);
    else
        r = monitor_container(options, &child, socket_fd, &status);
    prl_child_close(&child);
    if (options->finish)
        (void)options->finish(data, r < 0 ? NULL : &status, &finished.error);
    (void)prl_attach_send(socket_fd, &finished, -1);
    return r < 0;
}
