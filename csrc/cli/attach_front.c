/* attach_front.c: the user's side of an attached container.
 * In: the user's terminal on 0 and 1, records of the monitor.  Out: bytes both ways,
 * prl_status. Never: the terminal left in raw mode; output lost at the container's end. */
#include "cli/attach_wire.h"

#include "base/error.h"
#include "base/own.h"
#include "cli/attach_keys.h"
#include "monitor_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum {
    AT_SOCKET,
    AT_SIGNAL,
    AT_IN,
    AT_OUT = AT_IN + 2,
    FDS = AT_OUT + 2,
    IMPATIENCE_KILL = 3,  /* SIGINT or SIGTERM: the container is killed */
    IMPATIENCE_LEAVE = 6, /* even that did not help */
};

struct front {
    const struct prl_attach_options *options;
    struct prl_attach_keys *keys;
    struct prl_status *ret;
    struct prl_error *reterr;
    struct prl_pump in, out;
    int socket_fd, signal_fd, master_fd;
    unsigned impatience;
    int failure;         /* -errno of the start, the monitor or the clean-up */
    bool ended, hung_up; /* ENDED came; the socket's end came */
    bool abandoned;      /* ended, and the user does not want the rest of the output */
    struct sigaction pipe_action;
};

/* --- the user's terminal: what a fatal signal's handler needs is static --- */

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
enum { FATAL_SIGNALS = sizeof fatal_signals / sizeof *fatal_signals };
static struct termios terminal_saved;
static struct sigaction fatal_saved[FATAL_SIGNALS];
static volatile sig_atomic_t terminal_is_raw;

static void terminal_restore(void)
{
    if (terminal_is_raw)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal_saved);
    terminal_is_raw = 0;
}

/* The handler is gone when it is entered (SA_RESETHAND): raising ends us as it should. */
static void on_fatal(int signal)
{
    terminal_restore();
    raise(signal);
}

static void terminal_apply_raw(void)
{
    struct termios raw = terminal_saved;
    cfmakeraw(&raw);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void terminal_raw(void)
{
    if (tcgetattr(STDIN_FILENO, &terminal_saved) < 0)
        return;
    struct sigaction action = {.sa_handler = on_fatal,
                               .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    for (int i = 0; i < FATAL_SIGNALS; i++)
        sigaction(fatal_signals[i], &action, &fatal_saved[i]);
    terminal_is_raw = 1;
    terminal_apply_raw();
}

static void terminal_close(void)
{
    if (!terminal_is_raw)
        return;
    terminal_restore();
    for (int i = 0; i < FATAL_SIGNALS; i++)
        sigaction(fatal_signals[i], &fatal_saved[i], NULL);
}

static void resize(const struct front *front)
{
    static const int users[] = {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO};
    struct winsize size;
    for (int i = 0; front->master_fd >= 0 && i < 3; i++)
        if (ioctl(users[i], TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
            (void)ioctl(front->master_fd, TIOCSWINSZ, &size);
            return;
        }
}

/* --- streams --- */

static int open_pump(struct front *front, struct prl_pump *pump, int flags)
{
    int fd = fcntl(front->master_fd, F_DUPFD_CLOEXEC, 3);
    int r = fd < 0 ? -errno : 0;
    if (r >= 0 && flags & PRL_PUMP_OWN_TO)
        r = prl_pump_open(pump, STDIN_FILENO, fd, flags);
    else if (r >= 0)
        r = prl_pump_open(pump, fd, STDOUT_FILENO, flags);
    if (r < 0)
        prl_close_p(&fd);
    return r < 0 ? prl_fail_with(front->reterr, PRL_STAGE_MONITOR, -r, "relay", "terminal") : 0;
}

static int open_streams(struct front *front)
{
    int r = open_pump(front, &front->out, PRL_PUMP_OWN_FROM);
    resize(front);
    if (r < 0 || !front->options->interactive)
        return r;
    r = open_pump(front, &front->in, PRL_PUMP_OWN_TO);
    if (r < 0)
        return r;
    front->in.read_ahead = true; /* the keys that detach must work when nobody reads */
    front->in.filter = prl_attach_keys_filter;
    front->in.filter_data = front->keys;
    terminal_raw();
    return 0;
}

/* --- messages --- */

static void send_signal(const struct front *front, int signal)
{
    struct prl_attach_message message = {.kind = PRL_ATTACH_SIGNAL, .value = signal};
    (void)prl_attach_send(front->socket_fd, &message, -1);
}

static int take_failure(struct front *front, const struct prl_error *error)
{
    if (error->errnum && !front->failure) {
        *front->reterr = *error;
        front->failure = -error->errnum;
    }
    return 0;
}

static int on_hang_up(struct front *front)
{
    front->hung_up = true;
    if (front->ended || front->failure)
        return 0;
    return prl_fail_with(front->reterr, PRL_STAGE_MONITOR, ECHILD, "recvmsg",
                         "the container's monitor was killed, and the container with it");
}

static int on_message(struct front *front)
{
    struct prl_attach_message message;
    _cleanup_close_ int fd = -1;
    int r = prl_attach_receive(front->socket_fd, &message, &fd);
    if (r < 0)
        return prl_fail_with(front->reterr, PRL_STAGE_MONITOR, -r, "recvmsg", "the monitor");
    if (r == 0)
        return on_hang_up(front);
    switch (message.kind) {
    case PRL_ATTACH_STARTED:
        front->master_fd = steal_fd(&fd);
        return open_streams(front);
    case PRL_ATTACH_ENDED:
        *front->ret = message.status;
        front->ended = true;
        prl_pump_close(&front->in);
        return 0;
    default: /* FAILED, FINISHED */
        return take_failure(front, &message.error);
    }
}

static int on_signal(struct front *front, int signal)
{
    if (signal == SIGWINCH || signal == SIGCONT) {
        if (terminal_is_raw && signal == SIGCONT) /* the shell took the terminal meanwhile */
            terminal_apply_raw();
        resize(front);
        return 0;
    }
    if (signal == SIGINT || signal == SIGTERM)
        front->impatience++;
    front->abandoned |= front->ended && (signal == SIGINT || signal == SIGTERM ||
                                         signal == SIGHUP || signal == SIGQUIT);
    if (front->impatience >= IMPATIENCE_LEAVE)
        return prl_fail_with(front->reterr, PRL_STAGE_MONITOR, EINTR, "attach",
                             "the container was killed but does not end (a stuck device or "
                             "file system?)");
    send_signal(front, front->impatience >= IMPATIENCE_KILL ? SIGKILL : signal);
    return 0;
}

static int on_signals(struct front *front)
{
    struct signalfd_siginfo info;
    int r = 0;
    while (r >= 0 && read(front->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        r = on_signal(front, (int)info.ssi_signo);
    return r;
}

/* --- the loop --- */

static int detach(struct front *front)
{
    struct prl_attach_message message = {.kind = PRL_ATTACH_DETACH};
    if (prl_attach_send(front->socket_fd, &message, -1) < 0)
        return 0; /* it is ending right now */
    terminal_close();
    dprintf(STDERR_FILENO, "\npyrootless: detached; container %s goes on running\n",
            front->options->name ? front->options->name : "");
    return PRL_ATTACH_DETACHED;
}

/* Nobody sees the output any more: for the container its terminal hung up.  It is read on, so
 * that a program that ignores SIGHUP is not stopped by a full terminal. */
static int on_broken_output(struct front *front)
{
    prl_pump_close(&front->out);
    send_signal(front, SIGHUP);
    return open_pump(front, &front->out, PRL_PUMP_OWN_FROM | PRL_PUMP_DISCARD);
}

static int step(struct front *front, const struct pollfd fds[FDS])
{
    int r = 0;
    if (fds[AT_SIGNAL].revents)
        r = on_signals(front);
    prl_pump_step(&front->in, fds + AT_IN);
    if (front->keys->seen && !front->ended) {
        front->keys->seen = false;
        r = r < 0 ? r : detach(front);
    }
    if (r != 0)
        return r;
    prl_pump_step(&front->out, fds + AT_OUT);
    if (front->out.broken)
        r = on_broken_output(front);
    if (r >= 0 && fds[AT_SOCKET].revents)
        r = on_message(front);
    return r;
}

static int turn(struct front *front)
{
    struct pollfd fds[FDS];
    fds[AT_SOCKET] = (struct pollfd){front->hung_up ? -1 : front->socket_fd, POLLIN, 0};
    fds[AT_SIGNAL] = (struct pollfd){front->signal_fd, POLLIN, 0};
    prl_pump_poll(&front->in, fds + AT_IN);
    prl_pump_poll(&front->out, fds + AT_OUT);
    if (poll(fds, FDS, -1) < 0)
        return errno == EINTR ? 0
                              : prl_fail(front->reterr, PRL_STAGE_MONITOR, "poll", "terminal");
    return step(front, fds);
}

static bool finished(struct front *front)
{
    return front->hung_up && (!front->ended || front->abandoned || prl_pump_drain(&front->out));
}

static int open_signals(struct front *front)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;
    prl_attach_signals(&set);
    front->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (front->signal_fd < 0)
        return prl_fail(front->reterr, PRL_STAGE_MONITOR, "signalfd", "terminal");
    sigaction(SIGPIPE, &ignore, &front->pipe_action);
    return 0;
}

/* They were for the container, which is over or left. */
static void close_signals(struct front *front)
{
    struct signalfd_siginfo info;
    while (read(front->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        ;
    prl_close_p(&front->signal_fd);
    sigaction(SIGPIPE, &front->pipe_action, NULL);
}

int prl_attach_front(const struct prl_attach_options *options, struct prl_attach_keys *keys,
                     int socket_fd, struct prl_status *ret, struct prl_error *reterr)
{
    struct front front = {.options = options,
                          .keys = keys,
                          .ret = ret,
                          .reterr = reterr,
                          .in = {.from = -1, .to = -1},
                          .out = {.from = -1, .to = -1},
                          .socket_fd = socket_fd,
                          .signal_fd = -1,
                          .master_fd = -1};
    int r = open_signals(&front);
    if (r < 0)
        return r;
    while (r == 0 && !finished(&front))
        r = turn(&front);
    terminal_close();
    prl_pump_close(&front.in);
    prl_pump_close(&front.out);
    prl_close_p(&front.master_fd);
    if (r == 0)
        r = front.failure;
    close_signals(&front);
    return r;
}
