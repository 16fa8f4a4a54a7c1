/* control.c: the clients of one container's monitor; see control.h.
 * In, out: as there.  Never: as there. */
#include "container/monitor/control.h"

#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/monitor/record.h"
#include "container/monitor/socket.h"
#include "container/monitor/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
    AT_LISTEN,
    AT_INPUT,
    AT_CLIENTS,
    AT_EXECS = AT_CLIENTS + PRL_CONTROL_CLIENTS,
    AT_HEALTH = AT_EXECS + PRL_CONTROL_EXECS,
    ACCEPTED_AT_ONCE = 64,
    HEARD_AT_ONCE = 8,
    LINGER_MS = 10000
};

/* --- clients --- */

#define CLIENT_NONE ((struct prl_client){.fd = -1, .streams = {-1, -1, -1}})

static void client_close(struct prl_client *client)
{
    prl_close_p(&client->fd);
    free(client->input);
    for (int i = 0; i < 3; i++)
        prl_close_p(&client->streams[i]);
    *client = CLIENT_NONE;
}

/* A peer that does not take so little is not waited for. */
static int answer(struct prl_client *client, enum prl_record_kind kind, int32_t value)
{
    const struct prl_record_head head = {.kind = (uint16_t)kind, .value = value};
    return prl_record_send(client->fd, &head, NULL);
}

static void refuse_fd(int fd, int errnum, const char *text)
{
    const struct prl_record_head head = {
        .kind = PRL_RECORD_REFUSED, .value = errnum, .len = (uint32_t)strlen(text)};
    (void)prl_record_send(fd, &head, text);
}

static void refuse(struct prl_client *client, int errnum, const char *text)
{
    refuse_fd(client->fd, errnum, text);
    client_close(client);
}

static struct prl_client *client_add(struct prl_control *control, int fd)
{
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++)
        if (control->clients[i].fd < 0) {
            control->clients[i].fd = fd;
            control->clients[i].number = ++control->numbers;
            return &control->clients[i];
        }
    return NULL;
}

static void accept_all(struct prl_control *control)
{
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        _cleanup_close_ int fd = prl_control_accept(control->listen_fd);
        if (fd == -EPERM)
            continue;
        if (fd < 0)
            return;
        if (client_add(control, fd))
            (void)steal_fd(&fd);
        else
            refuse_fd(fd, EBUSY, "as many as can are connected to this container already");
    }
}

void prl_control_adopt(struct prl_control *control, int fd, bool owner)
{
    struct prl_client *client = client_add(control, fd);
    (void)fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    client->starter = client->attached = client->waits = true;
    client->owner = owner;
}

/* --- output --- */

/* What this client has not seen, as far as it takes it. */
static void client_show(struct prl_control *control, struct prl_client *client)
{
    int r = 0;
    while (r == 0 && client->fd >= 0 && client->attached) {
        struct prl_record *record = control->record;
        struct prl_ring_place next = client->place;
        uint64_t missed = prl_ring_catch_up(&control->ring, &next);
        if (missed > 0 &&
            answer(client, PRL_RECORD_LOST, missed > INT32_MAX ? INT32_MAX : (int)missed) < 0)
            return;
        client->place = next;
        int stream;
        size_t len =
            prl_ring_read(&control->ring, &next, record->bytes, PRL_RECORD_BYTES, &stream);
        if (len == 0)
            return;
        const struct prl_record_head head = {
            .kind = PRL_RECORD_OUTPUT, .value = stream, .len = (uint32_t)len};
        r = prl_record_send(client->fd, &head, record->bytes);
        if (r == 0)
            client->place = next;
    }
}

static bool has_news(const struct prl_control *control, const struct prl_client *client)
{
    return client->fd >= 0 && client->attached && client->place.at < control->ring.end;
}

int prl_control_log(struct prl_control *control, const char **ret_what)
{
    return prl_log_open(&control->log, control->place_fd, &control->log_settings,
                        &control->log_owner, ret_what);
}

size_t prl_control_output(void *data, char *bytes, size_t len)
{
    struct prl_outlet *outlet = data;
    struct prl_control *control = outlet->control;
    if (len == 0)
        return 0;
    prl_log_write(&control->log, outlet->stream, bytes, len);
    (void)prl_ring_add(&control->ring, outlet->stream, bytes, len);
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++)
        client_show(control, &control->clients[i]);
    return 0;
}

/* A client that reads as fast as it can is waited for, in all so long until it has caught up;
 * one that stands still, or is slow for good, costs the container that once. */
static uint64_t patience_ns(struct prl_control *control, struct prl_client *client)
{
    uint64_t now_ns = prl_sys_now_ns();
    if (control->ring.end - client->place.at <= PRL_RING_BYTES / 2)
        return 0;
    if (client->starter)
        return UINT64_MAX;
    if (client->behind_ns == 0)
        client->behind_ns = now_ns;
    uint64_t passed_ns = now_ns - client->behind_ns;
    return passed_ns < PRL_CONTROL_PATIENCE_NS ? PRL_CONTROL_PATIENCE_NS - passed_ns : 0;
}

uint64_t prl_control_full_ns(struct prl_control *control)
{
    uint64_t most_ns = 0;
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++) {
        struct prl_client *client = &control->clients[i];
        if (!has_news(control, client)) {
            client->behind_ns = 0;
            continue;
        }
        uint64_t left_ns = patience_ns(control, client);
        most_ns = left_ns > most_ns ? left_ns : most_ns;
    }
    return most_ns;
}

/* --- input --- */

static bool has_input(const struct prl_control *control)
{
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0 && control->clients[i].input_len > 0)
            return true;
    return false;
}

/* What a program does not read any more is taken all the same. */
static ssize_t input_write(struct prl_control *control, const char *bytes, size_t len)
{
    if (control->input_fd < 0)
        return (ssize_t)len;
    ssize_t n = write(control->input_fd, bytes, len);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        prl_close_p(&control->input_fd);
    return n < 0 ? 0 : n;
}

static void input_flush(struct prl_control *control, struct prl_client *client)
{
    while (client->input_len > 0) {
        ssize_t n =
            input_write(control, client->input + client->input_start, client->input_len);
        if (n == 0 && control->input_fd >= 0)
            return;
        client->input_start += (size_t)n;
        client->input_len -= (size_t)n;
        (void)answer(client, PRL_RECORD_TAKEN, (int32_t)n);
    }
    client->input_start = 0;
    if (client->input_over && !control->terminal)
        prl_close_p(&control->input_fd);
}

static void input_flush_all(struct prl_control *control)
{
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0 && control->clients[i].input_len > 0)
            input_flush(control, &control->clients[i]);
}

/* Into the client's window, which it must not exceed. */
static void on_input(struct prl_control *control, struct prl_client *client)
{
    const struct prl_record *record = control->record;
    if (!client->input)
        client->input = malloc(PRL_RECORD_BYTES);
    if (!client->input || client->input_over ||
        record->head.len > PRL_RECORD_BYTES - client->input_len) {
        refuse(client, EPROTO, "more input than the window lets in");
        return;
    }
    if (client->input_start > 0)
        memmove(client->input, client->input + client->input_start, client->input_len);
    client->input_start = 0;
    memcpy(client->input + client->input_len, record->bytes, record->head.len);
    client->input_len += record->head.len;
    input_flush(control, client);
}

/* --- records --- */

static void on_attach(struct prl_control *control, struct prl_client *client)
{
    int32_t value = control->record->head.value;
    if (!control->outlets[0].control) {
        refuse(client, ENOTSUP, "its output goes where the one who started it wanted it");
        return;
    }
    client->attached = client->waits = true;
    client->place = value & PRL_ATTACH_REPLAY ? prl_ring_replay(&control->ring)
                                              : prl_ring_end(&control->ring);
    int32_t there = (control->input_fd >= 0 ? PRL_ATTACH_INPUT : 0) |
                    (control->terminal ? PRL_ATTACH_TERMINAL : 0);
    (void)answer(client, PRL_RECORD_ATTACHED, there);
    client_show(control, client);
}

static void on_resize(struct prl_control *control, const struct prl_child *child)
{
    uint32_t value = (uint32_t)control->record->head.value;
    const struct winsize size = {.ws_row = (unsigned short)(value >> 16),
                                 .ws_col = (unsigned short)value};
    if (child->terminal_fd >= 0 && size.ws_row && size.ws_col)
        (void)ioctl(child->terminal_fd, TIOCSWINSZ, &size);
}

static void on_signal(struct prl_control *control, struct prl_child *child)
{
    struct prl_error ignored; /* a container that is gone needs no signal */
    int32_t signal = control->record->head.value;
    if (signal > 0 && signal <= SIGRTMAX)
        (void)prl_child_signal(child, signal, &ignored);
}

static void on_leave(struct prl_control *control, struct prl_client *client)
{
    const char *what;
    bool starter = client->starter;
    client_close(client);
    if (starter && control->log.fd < 0 && control->place_fd >= 0)
        (void)prl_control_log(control, &what);
}

/* --- programs started for a client --- */

static struct prl_execution *free_place(struct prl_control *control)
{
    for (int i = 0; i < PRL_CONTROL_EXECS; i++)
        if (control->executions[i].pid == 0)
            return &control->executions[i];
    return NULL;
}

static void on_exec(struct prl_control *control, struct prl_client *client)
{
    struct prl_execution *execution = free_place(control);
    const struct prl_record *record = control->record;
    if (!control->dirs || !execution) {
        refuse(client, EBUSY, "as many programs as can be started here run already");
        return;
    }
    const struct prl_execution_wish wish = {.data = control->dirs->data,
                                            .id = control->id,
                                            .words = record->bytes,
                                            .len = record->head.len,
                                            .options = record->head.value,
                                            .streams = client->streams};
    int r = prl_execution_start(execution, &wish);
    if (r < 0) {
        refuse(client, -r, "that program cannot be started");
        return;
    }
    execution->client = client->number;
    for (int i = 0; i < 3; i++)
        prl_close_p(&client->streams[i]);
}

static void on_stream(struct prl_control *control, struct prl_client *client, int *fd)
{
    int32_t number = control->record->head.value;
    if (*fd < 0 || number < 0 || number > 2) {
        refuse(client, EPROTO, "that is no stream");
        return;
    }
    prl_close_p(&client->streams[number]);
    client->streams[number] = steal_fd(fd);
}

static void tell_execution(struct prl_control *control, uint64_t number, int code)
{
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0 && control->clients[i].number == number)
            (void)answer(&control->clients[i], PRL_RECORD_EXEC_ENDED, code);
}

static void reap_executions(struct prl_control *control)
{
    for (int i = 0; i < PRL_CONTROL_EXECS; i++) {
        struct prl_execution *execution = &control->executions[i];
        uint64_t number = execution->client;
        int code = execution->pid > 0 ? prl_execution_reap(execution) : -1;
        if (code >= 0)
            tell_execution(control, number, code);
    }
}

static void on_record(struct prl_control *control, struct prl_client *client,
                      struct prl_child *child, int *fd)
{
    switch (control->record->head.kind) {
    case PRL_RECORD_ATTACH:
        on_attach(control, client);
        break;
    case PRL_RECORD_INPUT:
        on_input(control, client);
        break;
    case PRL_RECORD_INPUT_END:
        client->input_over = true;
        input_flush(control, client);
        break;
    case PRL_RECORD_RESIZE:
        on_resize(control, child);
        break;
    case PRL_RECORD_SIGNAL:
        on_signal(control, child);
        break;
    case PRL_RECORD_WAIT:
        client->waits = true;
        break;
    case PRL_RECORD_LEAVE:
        on_leave(control, client);
        break;
    case PRL_RECORD_STREAM:
        on_stream(control, client, fd);
        break;
    case PRL_RECORD_EXEC:
        on_exec(control, client);
        break;
    default:
        refuse(client, EPROTO, "that record is for a monitor to send");
    }
}

/* Whoever started it and is gone without a word takes it along. */
static void on_gone(struct prl_client *client, struct prl_child *child)
{
    struct prl_error ignored;
    if (client->owner)
        (void)prl_child_signal(child, SIGKILL, &ignored);
    client_close(client);
}

/* false: it says nothing now, or is gone. */
static bool client_hear(struct prl_control *control, struct prl_client *client,
                        struct prl_child *child)
{
    _cleanup_close_ int fd = -1;
    int r = prl_record_receive(client->fd, control->record, &fd);
    if (r == -EAGAIN)
        return false;
    if (r == -EPROTONOSUPPORT)
        refuse(client, -r, "the container was started by another version of pyrootless");
    else if (r == -EPROTO)
        refuse(client, -r, "that is no record of the control socket");
    else if (r <= 0)
        on_gone(client, child);
    else
        on_record(control, client, child, &fd);
    return client->fd >= 0;
}

/* --- the loop's part --- */

int prl_control_open(struct prl_control *control, struct prl_error *reterr)
{
    *control =
        (struct prl_control){.listen_fd = -1, .place_fd = -1, .input_fd = -1, .log.fd = -1};
    control->health = PRL_HEALTH_NONE;
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++)
        control->clients[i] = CLIENT_NONE;
    for (int i = 0; i < PRL_CONTROL_EXECS; i++)
        control->executions[i] = (struct prl_execution){.pidfd = -1};
    for (int i = 0; i < 2; i++)
        control->outlets[i] = (struct prl_outlet){control, i + 1};
    control->record = malloc(sizeof *control->record);
    return control->record ? 0
                           : prl_fail_with(reterr, PRL_STAGE_MONITOR, ENOMEM, "malloc",
                                           "the control socket");
}

void prl_control_close(struct prl_control *control)
{
    prl_control_retire(control);
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++)
        if (control->clients[i].fd >= 0)
            client_close(&control->clients[i]);
    prl_log_close(&control->log);
    prl_health_end(&control->health);
    prl_close_p(&control->input_fd);
    prl_ring_free(&control->ring);
    free(steal_ptr(&control->record));
}

void prl_control_poll(const struct prl_control *control, struct pollfd fds[PRL_CONTROL_FDS])
{
    fds[AT_LISTEN] = (struct pollfd){control->listen_fd, POLLIN, 0};
    fds[AT_INPUT] = (struct pollfd){has_input(control) ? control->input_fd : -1, POLLOUT, 0};
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++) {
        const struct prl_client *client = &control->clients[i];
        short events = has_news(control, client) ? POLLIN | POLLOUT : POLLIN;
        fds[AT_CLIENTS + i] = (struct pollfd){client->fd, events, 0};
    }
    for (int i = 0; i < PRL_CONTROL_EXECS; i++)
        fds[AT_EXECS + i] = (struct pollfd){control->executions[i].pidfd, POLLIN, 0};
    prl_health_poll(&control->health, fds + AT_HEALTH);
}

uint64_t prl_control_due_ns(const struct prl_control *control)
{
    return prl_health_due_ns(&control->health);
}

void prl_control_step(struct prl_control *control, struct prl_child *child,
                      const struct pollfd fds[PRL_CONTROL_FDS])
{
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++) {
        struct prl_client *client = &control->clients[i];
        const struct pollfd *fd = &fds[AT_CLIENTS + i];
        if (client->fd < 0 || client->fd != fd->fd)
            continue;
        if (fd->revents & POLLOUT)
            client_show(control, client);
        if (fd->revents & ~POLLOUT)
            (void)client_hear(control, client, child);
    }
    if (fds[AT_INPUT].fd >= 0 && fds[AT_INPUT].revents)
        input_flush_all(control);
    if (fds[AT_LISTEN].fd >= 0 && fds[AT_LISTEN].revents)
        accept_all(control);
    reap_executions(control);
    prl_health_step(&control->health, fds + AT_HEALTH);
}

/* --- the end --- */

void prl_control_hear(struct prl_control *control, struct prl_child *child)
{
    if (control->listen_fd >= 0)
        accept_all(control);
    for (int i = 0; i < PRL_CONTROL_CLIENTS; i++)
        for (int n = 0; n < HEARD_AT_ONCE && control->clients[i].fd >= 0; n++)
            if (!client_hear(control, &control->clients[i], child))
                break;
}

void prl_control_retire(struct prl_control *control)
{
    char path[80];
    if (control->listen_fd < 0)
        return;
    snprintf(path, sizeof path, "control/%.64s", control->id);
    (void)unlinkat(control->dirs->runtime_fd, path, 0);
    prl_close_p(&control->listen_fd);
}

static int tell_end(struct prl_client *client, const struct prl_status *status,
                    const struct prl_error *error)
{
    struct prl_record_head head = {.kind = PRL_RECORD_FAILED, .len = sizeof *error};
    int r = client->starter && error->errnum ? prl_record_send(client->fd, &head, error) : 0;
    head.kind = PRL_RECORD_ENDED;
    head.len = status ? sizeof *status : 0;
    return r < 0 ? r : prl_record_send(client->fd, &head, status);
}

/* Everything it is still to hear, and then nothing more.  Closed: it has all, or is gone. */
static void client_finish(struct prl_control *control, struct prl_client *client,
                          const struct prl_status *status, const struct prl_error *error)
{
    client_show(control, client);
    if (has_news(control, client))
        return;
    if (!client->waits || tell_end(client, status, error) != -EAGAIN)
        client_close(client);
}

/* They end with the container, whose exit status theirs then is. */
static void await_executions(struct prl_control *control)
{
    struct pollfd fds[PRL_CONTROL_EXECS];
    for (bool left = true; left;) {
        reap_executions(control);
        left = false;
        for (int i = 0; i < PRL_CONTROL_EXECS; i++) {
            fds[i] = (struct pollfd){control->executions[i].pidfd, POLLIN, 0};
            left = left || fds[i].fd >= 0;
        }
        if (left && poll(fds, PRL_CONTROL_EXECS, LINGER_MS) <= 0)
            return;
    }
}

/* Who is slow now keeps this process alone: the container is over and recorded. */
void prl_control_end(struct prl_control *control, const struct prl_status *status,
                     const struct prl_error *error)
{
    struct pollfd fds[PRL_CONTROL_CLIENTS];
    int left, fd;
    await_executions(control);
    do {
        left = 0;
        for (int i = 0; i < PRL_CONTROL_CLIENTS; i++) {
            struct prl_client *client = &control->clients[i];
            if (client->fd >= 0)
                client_finish(control, client, status, error);
            fds[i] = (struct pollfd){client->fd, POLLIN | POLLOUT, 0};
            left += client->fd >= 0;
        }
        if (left == 0 || poll(fds, PRL_CONTROL_CLIENTS, LINGER_MS) <= 0)
            return;
        for (int i = 0; i < PRL_CONTROL_CLIENTS; i++) {
            bool says = fds[i].fd >= 0 && fds[i].revents & ~POLLOUT;
            if (says && prl_record_receive(fds[i].fd, control->record, &fd) == 0)
                client_close(&control->clients[i]);
        }
    } while (true);
}
