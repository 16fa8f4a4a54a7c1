/* run_detached.c: `run -d`: the monitor stays, the caller gets the container's id.
 * In: a created container.  Out: its id on standard output; a monitor of its own session with
 * nothing open but the container.  Never: an answer before the program runs; output lost: it
 * goes into the file `log` of the container's directory. */
#include "cgroup.h"
#include "cli/cli.h"
#include "cli/container.h"
#include "cli/streams.h"
#include "monitor.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define UNUSED                                                                                 \
    {                                                                                          \
        .from = -1, .to = -1                                                                   \
    }

struct detached {
    struct prl_container *container;
    int report_fd;
    int log_fd;
    int input_fd; /* -i: held open, so that the program's input never ends; -1 */
    int peer_fd;  /* -t: held open, so that the terminal never looks closed; -1 */
};

static int open_streams(struct detached *d, struct prl_stdio *ret, struct prl_error *reterr)
{
    struct prl_container *c = d->container;
    int input[2] = {-1, -1};
    d->log_fd = openat(c->state.dir_fd, "log",
                       O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->log_fd < 0)
        return prl_fail(reterr, PRL_STAGE_STATE, "open", "log of the container");
    if (prl_options_flag(c->options, "interactive") && !c->spec->process.terminal &&
        pipe2(input, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "pipe2", "standard input");
    d->input_fd = input[1];
    *ret = (struct prl_stdio){.fds = {input[0], d->log_fd, d->log_fd}};
    return 0;
}

/* What the program writes to its terminal goes into the log. */
static void log_terminal(struct detached *d, struct prl_monitor_options *how)
{
    int master = d->container->child.terminal_fd;
    if (master < 0)
        return;
    d->peer_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    how->relays[PRL_RELAY_STDOUT] =
        (struct prl_relay){.from = fcntl(master, F_DUPFD_CLOEXEC, 3), .to = d->log_fd};
}

/* A monitor lives as long as its container, and there may be thousands. */
static void shed_memory(struct prl_container *c)
{
    prl_spec_free(c->spec);
    free(c->json);
    free(c->brief);
    c->spec = NULL;
    c->json = c->brief = NULL;
}

static int start(struct detached *d, struct prl_error *reterr)
{
    struct prl_stdio lent = {.fds = {-1, -1, -1}};
    int r = open_streams(d, &lent, reterr);
    if (r == 0)
        r = prl_container_start(d->container, &lent, reterr);
    prl_options_hide(d->container->options);
    prl_close_p(&lent.fds[0]);
    return r;
}

static void monitor(struct detached *d)
{
    struct prl_container *c = d->container;
    struct prl_monitor_options how = {.wall_limit_ns = c->spec->wall_limit_ns,
                                      .forward_signals = true,
                                      .relays = {UNUSED, UNUSED, UNUSED},
                                      .control_fd = -1};
    struct prl_status status;
    struct prl_error error;
    log_terminal(d, &how);
    shed_memory(c);
    int r = prl_monitor_run(&c->child, &how, &status, &error);
    prl_container_finish(c, r < 0 ? NULL : &status, &error);
}

/* What the caller left open to us, a pipe whose end somebody waits for among it.  Our own
 * descriptors are all close-on-exec. */
static void close_inherited(void)
{
    _cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (fd > 2 && fcntl(fd, F_GETFD) == 0)
            close(fd);
    }
}

/* The new process: it answers once, with an empty record when the program runs. */
static void monitor_main(struct detached *d)
{
    struct prl_error error = {0}, second;
    setsid(); /* the caller's terminal, its keys and its end are not for us */
    prl_streams_leave();
    close_inherited();
    int r = start(d, &error);
    if (r < 0) /* before the answer: the caller's next command finds nothing of it */
        prl_container_finish(d->container, NULL, &second);
    prl_io_write_all(d->report_fd, &error, sizeof error);
    prl_close_p(&d->report_fd);
    if (r == 0)
        monitor(d);
}

static int read_answer(int fd, struct prl_error *reterr)
{
    struct prl_error answer;
    ssize_t n;
    do
        n = read(fd, &answer, sizeof answer);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof answer)
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, ECHILD, "read",
                             "the container's monitor was killed, and the container with it");
    if (answer.errnum == 0)
        return 0;
    *reterr = answer;
    return -answer.errnum;
}

int prl_run_detached(struct prl_container *container, struct prl_error *reterr)
{
    struct detached d = {container, -1, -1, -1, -1};
    struct prl_error second;
    int pair[2], r;
    r = prl_cgroups_make_room(container->spec, reterr);
    if (r == 0 && pipe2(pair, O_CLOEXEC) < 0)
        r = prl_fail(reterr, PRL_STAGE_MONITOR, "pipe2", "the monitor");
    pid_t pid = r < 0 ? -1 : fork();
    if (pid == 0) {
        prl_close_p(&pair[0]);
        d.report_fd = pair[1];
        monitor_main(&d);
        _exit(0);
    }
    if (r == 0 && pid < 0)
        r = prl_fail(reterr, PRL_STAGE_MONITOR, "fork", "the monitor");
    if (r < 0) {
        prl_container_finish(container, NULL, &second);
        return r;
    }
    prl_close_p(&pair[1]);
    r = read_answer(pair[0], reterr);
    prl_close_p(&pair[0]);
    if (r == 0)
        dprintf(1, "%s\n", container->state.id);
    return r;
}
