/* front.c: the user's side of an attached container.
 * In: the user's streams on 0, 1 and 2, records of the monitor.  Out: bytes both ways,
 * prl_status.  Never: the terminal left in raw mode; output lost at the container's end. */
#include "cli/attach/sides.h"
#include "cli/attach/terminal.h"

#include "base/error.h"
#include "base/own.h"
#include "container/monitor/exports.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    AT_SOCKET,
    AT_SIGNAL,
    AT_IN,
    AT_OUT = AT_IN + 2,
    FDS = AT_OUT + 4,
    OUTS = 2,
    IMPATIENCE_KILL = 3,  /* SIGINT or SIGTERM: the container is killed */
    IMPATIENCE_LEAVE = 6, /* even that did not help */
    READ_AHEAD = 1 << 20, /* output that waits for the user, so that the monitor need not */
    TYPED_BYTES = PRL_RECORD_BYTES,
};

struct front {
    const struct prl_attach_front *how;
    struct prl_status *ret;
    struct prl_error *reterr;
    struct prl_pump in, outs[OUTS];
    int signal_fd;
    unsigned impatience;
    size_t typed_len, window; /* not sent yet; what the monitor takes at once */
    bool input, input_ended;  /* there is one; its end was told */
    bool terminal;
    int failure;         /* -errno of the start, the monitor or the clean-up */
    bool ended, hung_up; /* ENDED came; the socket's end came */
    bool abandoned;      /* ended, and the user does not want the rest of the output */
    struct sigaction pipe_action;
    struct prl_record record;
    char typed[TYPED_BYTES + PRL_PUMP_BYTES + PRL_PUMP_SLACK];
};

/* --- records --- */

static int tell(const struct front *front, enum prl_record_kind kind, int32_t value)
{
    const struct prl_record_head head = {.kind = (uint16_t)kind, .value = value};
    return prl_record_send(front->how->socket_fd, &head, NULL);
}

static void resize(const struct front *front)
{
    uint32_t size = prl_terminal_size();
    if (front->terminal && size)
        (void)tell(front, PRL_RECORD_RESIZE, (int32_t)size);
}

/* --- input --- */

/* A prl_pump_filter_fn: what was typed waits for the window, and nothing is carried on. */
static size_t on_typed(void *data, char *bytes, size_t len)
{
    struct front *front = data;
    if (front->terminal)
        len = prl_attach_keys_filter(front->how->keys, bytes, len);
    memcpy(front->typed + front->typed_len, bytes, len);
    front->typed_len += len;
    return 0;
}

static void send_typed(struct front *front)
{
    size_t sent = 0;
    while (sent < front->typed_len && front->window > 0) {
        size_t left = front->typed_len - sent;
        const struct prl_record_head head = {
            .kind = PRL_RECORD_INPUT,
            .len = (uint32_t)(left < front->window ? left : front->window)};
        if (prl_record_send(front->how->socket_fd, &head, front->typed + sent) < 0)
            break; /* it is ending right now */
        sent += head.len;
        front->window -= head.len;
    }
    memmove(front->typed, front->typed + sent, front->typed_len - sent);
    front->typed_len -= sent;
    if (front->input && front->in.from < 0 && front->typed_len == 0 && !front->input_ended) {
        front->input_ended = true;
        (void)tell(front, PRL_RECORD_INPUT_END, 0);
    }
}

/* --- what the monitor says --- */

static int open_stream(struct front *front, struct prl_pump *pump, int fd)
{
    int r = fd == STDIN_FILENO ? prl_pump_open(pump, fd, -1, PRL_PUMP_DISCARD)
                               : prl_pump_open(pump, -1, fd, PRL_PUMP_FED);
    return r < 0 ? prl_fail_with(front->reterr, PRL_STAGE_MONITOR, -r, "relay",
                                 "standard streams")
                 : 0;
}

static int on_attached(struct front *front, int32_t there)
{
    front->terminal = there & PRL_ATTACH_TERMINAL;
    front->input = there & PRL_ATTACH_INPUT && front->how->options->interactive &&
                   !front->how->options->deaf;
    int r = open_stream(front, &front->outs[0], STDOUT_FILENO);
    if (r == 0 && !front->terminal)
        r = open_stream(front, &front->outs[1], STDERR_FILENO);
    resize(front);
    if (r < 0 || !front->input)
        return r;
    r = open_stream(front, &front->in, STDIN_FILENO);
    front->in.filter = on_typed;
    front->in.filter_data = front;
    if (front->terminal)
        prl_terminal_raw();
    return r;
}

static int on_ended(struct front *front)
{
    front->ended = true;
    prl_pump_close(&front->in);
    for (int i = 0; i < OUTS; i++)
        front->outs[i].fed = false;
    if (front->record.head.len > 0)
        memcpy(front->ret, front->record.bytes, sizeof *front->ret);
    else if (!front->failure)
        front->failure = prl_fail_with(front->reterr, PRL_STAGE_MONITOR, ENODATA, "waitid",
                                       "how the container ended is not known");
    return 0;
}

static int on_output(struct front *front)
{
    const struct prl_record_head *head = &front->record.head;
    struct prl_pump *out = &front->outs[head->value == 2 && !front->terminal];
    if (prl_pump_feed(out, front->record.bytes, head->len))
        return 0;
    return prl_fail_with(front->reterr, PRL_STAGE_MONITOR, ENOMEM, "realloc", "output");
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
    int fd, r = prl_record_receive(front->how->socket_fd, &front->record, &fd);
    prl_close_p(&fd);
    if (r < 0)
        return prl_fail_with(front->reterr, PRL_STAGE_MONITOR, -r, "recvmsg", "the monitor");
    if (r == 0)
        return on_hang_up(front);
    int32_t value = front->record.head.value;
    switch (front->record.head.kind) {
    case PRL_RECORD_ATTACHED:
        return on_attached(front, value);
    case PRL_RECORD_OUTPUT:
        return on_output(front);
    case PRL_RECORD_TAKEN:
        front->window += value > 0 ? (size_t)value : 0;
        return 0;
    case PRL_RECORD_LOST:
        dprintf(STDERR_FILENO, "\npyrootless: %d bytes of output came too fast to be shown\n",
                value);
        return 0;
    case PRL_RECORD_ENDED:
        return on_ended(front);
    case PRL_RECORD_FAILED: {
        const struct prl_error *error = (const struct prl_error *)front->record.bytes;
        if (!front->failure) {
            *front->reterr = *error;
            front->failure = -error->errnum;
        }
        return 0;
    }
    case PRL_RECORD_REFUSED: {
        const struct prl_record_head *head = &front->record.head;
        int errnum = head->value > 0 ? head->value : EPROTO;
        return prl_failf(front->reterr, PRL_STAGE_MONITOR, errnum, "attach", "%.*s",
                         (int)(head->len < 200 ? head->len : 200), front->record.bytes);
    }
    default:
        return 0;
    }
}

/* --- signals --- */

/* The starter's container is its own, and dies of its impatience; another one leaves. */
static int on_impatience(struct front *front)
{
    bool starter = front->how->starter;
    if (front->impatience >= (starter ? IMPATIENCE_LEAVE : IMPATIENCE_KILL))
        return prl_fail_with(front->reterr, PRL_STAGE_MONITOR, EINTR, "attach",
                             starter ? "the container was killed but does not end (a stuck "
                                       "device or file system?)"
                                     : "the container got the signals and goes on");
    return 0;
}

static int on_signal(struct front *front, int signal)
{
    bool ends = signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
    if (signal == SIGCONT || (signal == SIGWINCH && front->terminal)) {
        prl_terminal_raw_again();
        resize(front);
        return 0;
    }
    if (front->how->options->no_signals) {
        if (ends && front->how->ret_signal)
            *front->how->ret_signal = signal;
        return ends ? PRL_ATTACH_DETACHED : 0;
    }
    if (signal == SIGINT || signal == SIGTERM)
        front->impatience++;
    front->abandoned |= front->ended && ends;
    int r = on_impatience(front);
    if (r == 0)
        (void)tell(front, PRL_RECORD_SIGNAL,
                   front->impatience >= IMPATIENCE_KILL ? SIGKILL : signal);
    return r;
}

static int on_signals(struct front *front)
{
    struct signalfd_siginfo info;
    int r = 0;
    while (r == 0 && read(front->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        r = on_signal(front, (int)info.ssi_signo);
    return r;
}

/* --- the loop --- */

static int detach(struct front *front)
{
    const char *name = front->how->options->name;
    if (front->how->starter && tell(front, PRL_RECORD_LEAVE, 0) < 0)
        return 0; /* it is ending right now */
    prl_terminal_close();
    dprintf(STDERR_FILENO, "\npyrootless: detached; container %s goes on running\n",
            name ? name : "");
    return PRL_ATTACH_DETACHED;
}

/* Nobody sees the output any more: for the starter's container its terminal hung up, and what a
 * program writes that ignores that goes nowhere.  Another one just leaves. */
static int on_broken_output(struct front *front, struct prl_pump *out)
{
    out->broken = false;
    if (!front->how->starter)
        return PRL_ATTACH_DETACHED;
    (void)tell(front, PRL_RECORD_SIGNAL, SIGHUP);
    return 0;
}

static int turn(struct front *front)
{
    struct pollfd fds[FDS];
    bool room = front->outs[0].len < READ_AHEAD && front->outs[1].len < READ_AHEAD;
    bool hears = !front->hung_up && room;
    fds[AT_SOCKET] = (struct pollfd){hears ? front->how->socket_fd : -1, POLLIN, 0};
    fds[AT_SIGNAL] = (struct pollfd){front->signal_fd, POLLIN, 0};
    prl_pump_poll(&front->in, fds + AT_IN);
    if (front->typed_len > TYPED_BYTES)
        fds[AT_IN].fd = -1;
    for (int i = 0; i < OUTS; i++)
        prl_pump_poll(&front->outs[i], fds + AT_OUT + 2 * i);
    if (poll(fds, FDS, -1) < 0)
        return errno == EINTR ? 0
                              : prl_fail(front->reterr, PRL_STAGE_MONITOR, "poll", "terminal");
    int r = fds[AT_SIGNAL].revents ? on_signals(front) : 0;
    prl_pump_step(&front->in, fds + AT_IN);
    if (r == 0 && front->how->keys->seen && !front->ended) {
        front->how->keys->seen = false;
        r = detach(front);
    }
    for (int i = 0; r == 0 && i < OUTS; i++) {
        prl_pump_step(&front->outs[i], fds + AT_OUT + 2 * i);
        if (front->outs[i].broken)
            r = on_broken_output(front, &front->outs[i]);
    }
    if (r == 0 && fds[AT_SOCKET].revents)
        r = on_message(front);
    send_typed(front);
    return r;
}

static bool finished(struct front *front)
{
    bool shown = prl_pump_done(&front->outs[0]) && prl_pump_done(&front->outs[1]);
    return front->hung_up && (!front->ended || front->abandoned || shown);
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

int prl_attach_front(const struct prl_attach_front *how, struct prl_status *ret,
                     struct prl_error *reterr)
{
    static struct front front;
    front = (struct front){.how = how,
                           .ret = ret,
                           .reterr = reterr,
                           .in = {.from = -1, .to = -1},
                           .outs = {{.from = -1, .to = -1}, {.from = -1, .to = -1}},
                           .signal_fd = -1,
                           .window = PRL_RECORD_BYTES};
    int r = open_signals(&front);
    if (r < 0)
        return r;
    while (r == 0 && !finished(&front))
        r = turn(&front);
    prl_terminal_close();
    prl_pump_close(&front.in);
    for (int i = 0; i < OUTS; i++)
        prl_pump_close(&front.outs[i]);
    if (r == 0)
        r = front.failure;
    struct signalfd_siginfo info;
    while (read(front.signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        ;
    prl_close_p(&front.signal_fd);
    sigaction(SIGPIPE, &front.pipe_action, NULL);
    return r;
}
