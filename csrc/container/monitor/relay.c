/* relay.c: one stream carried from one descriptor to another.
 * In: two descriptors, poll results.  Out: bytes, in order.  Never: blocking; O_NONBLOCK on a
 * descriptor lent by the user (its shell and its neighbours share that flag). */
#include "container/monitor/relay.h"

#include "base/own.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opening a pty master's file again would make another pty. */
static bool is_plain_terminal(int fd)
{
    unsigned number;
    return isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0;
}

/* A non-blocking description of our own of the same file; -1 when there can be none. */
static int open_again(int fd, int access)
{
    char path[32];
    return open(prl_sys_fd_path(fd, path), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        return -errno;
    return 0;
}

static int open_from(struct prl_pump *pump, int from, bool own)
{
    struct stat st;
    if (fstat(from, &st) < 0)
        return -errno;
    pump->from = from;
    if (own)
        return set_nonblocking(from);
    /* Not a pipe: opened again after its writers left, it would never report its end. */
    int again =
        S_ISCHR(st.st_mode) && is_plain_terminal(from) ? open_again(from, O_RDONLY) : -1;
    pump->close_from = again >= 0;
    pump->from = again >= 0 ? again : from;
    return 0;
}

static int open_to(struct prl_pump *pump, int to, bool own)
{
    struct stat st;
    if (fstat(to, &st) < 0)
        return -errno;
    pump->to = to;
    pump->to_socket = S_ISSOCK(st.st_mode);
    pump->write_size = PRL_PUMP_BYTES;
    if (own)
        return set_nonblocking(to);
    bool again_works = S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && is_plain_terminal(to));
    int again = again_works ? open_again(to, O_WRONLY) : -1;
    pump->close_to = again >= 0;
    pump->to = again >= 0 ? again : to;
    if (again < 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
        pump->write_size = PIPE_BUF; /* a ready pipe takes as much without blocking */
    return 0;
}

int prl_pump_open(struct prl_pump *pump, int from, int to, int flags)
{
    *pump = (struct prl_pump){.from = -1,
                              .to = -1,
                              .discard = flags & PRL_PUMP_DISCARD,
                              .fed = flags & PRL_PUMP_FED,
                              .size = PRL_PUMP_BYTES + PRL_PUMP_SLACK};
    pump->buffer = malloc(pump->size);
    int r = pump->buffer ? 0 : -ENOMEM;
    if (r >= 0 && !pump->fed)
        r = open_from(pump, from, flags & PRL_PUMP_OWN_FROM);
    if (r >= 0 && !pump->discard)
        r = open_to(pump, to, flags & PRL_PUMP_OWN_TO);
    if (r < 0) {
        prl_pump_close(pump);
        return r;
    }
    pump->close_from |= (flags & PRL_PUMP_OWN_FROM) != 0;
    pump->close_to |= (flags & PRL_PUMP_OWN_TO) != 0;
    return 0;
}

static void end_from(struct prl_pump *pump)
{
    if (pump->close_from)
        prl_close_p(&pump->from);
    pump->from = -1;
}

static void end_to(struct prl_pump *pump)
{
    if (pump->close_to)
        prl_close_p(&pump->to);
    pump->to = -1;
    pump->start = pump->len = 0;
}

void prl_pump_close(struct prl_pump *pump)
{
    end_from(pump);
    end_to(pump);
    free(steal_ptr(&pump->buffer));
}

static bool wants_more(const struct prl_pump *pump)
{
    if (pump->from < 0 || (pump->to < 0 && !pump->discard))
        return false;
    return pump->len == 0 || (pump->read_ahead && pump->len < PRL_PUMP_BYTES);
}

void prl_pump_poll(const struct prl_pump *pump, struct pollfd fds[2])
{
    /* Without events poll still tells that the other side is gone. */
    fds[0] = (struct pollfd){.fd = wants_more(pump) ? pump->from : -1, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = pump->to, .events = pump->len ? POLLOUT : 0};
}

static void pump_read(struct prl_pump *pump)
{
    if (pump->start > 0)
        memmove(pump->buffer, pump->buffer + pump->start, pump->len);
    pump->start = 0;
    char *at = pump->buffer + pump->len;
    ssize_t n = read(pump->from, at, PRL_PUMP_BYTES - pump->len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* EIO: the terminal's other side was closed */
        end_from(pump);
        n = 0;
    }
    if (pump->filter)
        n = (ssize_t)pump->filter(pump->filter_data, at, (size_t)n);
    if (!pump->discard)
        pump->len += (size_t)n;
}

static void pump_write(struct prl_pump *pump)
{
    const char *at = pump->buffer + pump->start;
    size_t size = pump->len < pump->write_size ? pump->len : pump->write_size;
    ssize_t n = pump->to_socket ? send(pump->to, at, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                : write(pump->to, at, size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        pump->broken = true;
        return;
    }
    pump->start += (size_t)n;
    pump->len -= (size_t)n;
}

static void pump_move(struct prl_pump *pump, const struct pollfd fds[2])
{
    bool may_write = fds[1].fd >= 0 && fds[1].revents & POLLOUT;
    if (fds[0].fd >= 0 && fds[0].revents && wants_more(pump)) {
        pump_read(pump);
        /* Most readers are ready: spare the round through poll where write cannot block. */
        may_write |= pump->write_size == PRL_PUMP_BYTES;
    }
    if (pump->len && may_write)
        pump_write(pump);
    else if (fds[1].fd >= 0 && fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
        pump->broken = true;
}

void prl_pump_step(struct prl_pump *pump, const struct pollfd fds[2])
{
    pump_move(pump, fds);
    if (pump->broken && pump->to >= 0) {
        end_to(pump);
        end_from(pump); /* the program then sees a broken pipe as well */
    }
    if (pump->from < 0 && pump->len == 0 && !pump->fed)
        end_to(pump);
}

bool prl_pump_feed(struct prl_pump *pump, const char *bytes, size_t len)
{
    if (pump->to < 0)
        return true;
    if (pump->start > 0)
        memmove(pump->buffer, pump->buffer + pump->start, pump->len);
    pump->start = 0;
    if (pump->len + len > pump->size) {
        size_t size = 2 * (pump->len + len);
        char *grown = realloc(pump->buffer, size);
        if (!grown)
            return false;
        pump->buffer = grown;
        pump->size = size;
    }
    memcpy(pump->buffer + pump->len, bytes, len);
    pump->len += len;
    return true;
}

bool prl_pump_done(const struct prl_pump *pump)
{
    return pump->from < 0 && pump->to < 0;
}

bool prl_pump_drain(struct prl_pump *pump)
{
    struct pollfd ready = {.fd = pump->from, .events = POLLIN};
    if (pump->from >= 0 && pump->len == 0 && poll(&ready, 1, 0) == 0) {
        end_from(pump);
        end_to(pump);
    }
    return prl_pump_done(pump);
}
