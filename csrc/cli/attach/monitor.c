/* monitor.c: the process that owns a container: in the background, on a terminal, of an
 * `exec -t`.
 * In: the closures that start and finish it, the socket to the process that asked.  Out: its
 * end, recorded; records to all who watch (container/monitor/control.h).
 * Never: printing, the user's terminal, a descriptor of the caller's; memory that the start
 * alone needed. */
#include "cli/attach/sides.h"
#include "cli/streams.h"

#include "base/error.h"
#include "base/own.h"
#include "container/monitor/exports.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct keeper {
    const struct prl_attach_options *options;
    struct prl_control control;
    struct prl_child child;
    struct prl_stdio lent;
    int from[2]; /* our ends of the container's output */
    int peer_fd; /* held so that its terminal never looks closed; -1 */
};

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

/* *ret_ours: the end that the container has not. */
static int open_pipe(int ours, int *ret_ours, int *ret_lent, struct prl_error *reterr)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "pipe2", "standard streams");
    (void)fchmod(pair[0], PRL_PIPE_MODE); /* refused: it can be written all the same */
    *ret_ours = pair[ours];
    *ret_lent = pair[!ours];
    return 0;
}

static bool passes_through(const struct prl_attach_options *options)
{
    return options->background && !options->terminal &&
           options->log.driver == PRL_LOG_PASSTHROUGH;
}

static int open_streams(struct keeper *k, struct prl_error *reterr)
{
    int r = 0;
    if (k->options->terminal || passes_through(k->options))
        return 0; /* one of its own; or it has the caller's */
    if (k->options->interactive)
        r = open_pipe(1, &k->control.input_fd, &k->lent.fds[0], reterr);
    for (int i = 0; r == 0 && i < 2; i++)
        r = open_pipe(0, &k->from[i], &k->lent.fds[i + 1], reterr);
    if (r == 0 && k->control.input_fd >= 0 &&
        fcntl(k->control.input_fd, F_SETFL, O_WRONLY | O_NONBLOCK) < 0)
        r = prl_fail(reterr, PRL_STAGE_TERMINAL, "fcntl", "standard input");
    return r;
}

static int open_log(struct prl_control *control, struct prl_error *reterr)
{
    const char *what;
    int r = prl_control_log(control, &what);
    if (r < 0 && control->log_settings.driver == PRL_LOG_JOURNALD)
        return prl_failf(
            reterr, PRL_STAGE_OPTIONS, -r, "--log-driver",
            "journald: this machine has no journal to write to (%s: %s); leave the "
            "option out",
            what, strerror(-r));
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_STATE, -r, "open", "log of the container")
                 : 0;
}

/* Before the container: whoever finds it running finds its monitor as well. */
static int open_doors(struct keeper *k, struct prl_error *reterr)
{
    const struct prl_attach_options *o = k->options;
    struct prl_control *control = &k->control;
    int r = prl_control_open(control, reterr);
    control->terminal = o->terminal;
    if (passes_through(o))
        control->outlets[0].control = NULL; /* nothing comes by here */
    if (r < 0 || !o->dirs)
        return r;
    control->dirs = o->dirs;
    memcpy(control->id, o->id, sizeof control->id);
    control->place_fd = o->place_fd;
    control->log_settings = o->log;
    control->log_owner = (struct prl_log_owner){o->id, o->name, o->image};
    control->health = (struct prl_health_check){.dirs = o->dirs,
                                                .id = control->id,
                                                .attributes = o->attributes,
                                                .dir_fd = o->place_fd,
                                                .execution.pidfd = -1,
                                                .output_fd = -1};
    prl_health_open(&control->health, &o->health);
    r = o->background ? open_log(control, reterr) : 0;
    if (r < 0)
        return r;
    control->listen_fd = prl_control_listen(o->dirs, o->id, reterr);
    return control->listen_fd < 0 ? control->listen_fd : 0;
}

static int begin(struct keeper *k, prl_attach_start_fn start, void *data,
                 struct prl_error *reterr)
{
    int r = open_doors(k, reterr);
    if (r == 0)
        r = open_streams(k, reterr);
    if (r == 0)
        r = start(data, &k->lent, &k->child, reterr);
    for (int i = 0; i < 3; i++)
        prl_close_p(&k->lent.fds[i]);
    if (r < 0)
        return r;
    /* Without TIOCGPTPEER (before Linux 4.13) a program that closes its terminal for a while
     * loses its output. */
    int master = k->child.terminal_fd;
    if (!k->options->terminal)
        return 0;
    if (master < 0)
        return prl_fail_with(reterr, PRL_STAGE_TERMINAL, ENOTTY, "attach",
                             "the container has no terminal of its own");
    k->peer_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    k->from[0] = fcntl(master, F_DUPFD_CLOEXEC, 3);
    k->control.input_fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
    return k->from[0] < 0 || k->control.input_fd < 0
               ? prl_fail(reterr, PRL_STAGE_TERMINAL, "fcntl", "the container's terminal")
               : 0;
}

static int monitor(struct keeper *k, struct prl_status *ret, struct prl_error *reterr)
{
    struct prl_monitor_options how = {.wall_limit_ns = k->options->wall_limit_ns,
                                      .forward_signals = true,
                                      .control = &k->control};
    for (int i = 0; i < PRL_RELAYS; i++)
        how.relays[i] = (struct prl_relay){.from = -1, .to = -1};
    for (int i = 0; i < 2; i++)
        how.relays[PRL_RELAY_STDOUT + i] =
            (struct prl_relay){.from = k->from[i], .to = -1, .outlet = &k->control.outlets[i]};
    return prl_monitor_run(&k->child, &how, ret, reterr);
}

/* The program runs. */
static void keep(struct keeper *k, void *data, int socket_fd)
{
    struct prl_status status = {0};
    struct prl_error error = {0}, second = {0};
    const struct prl_record_head head = {.kind = PRL_RECORD_ATTACHED,
                                         .value =
                                             (k->control.input_fd >= 0 ? PRL_ATTACH_INPUT : 0) |
                                             (k->options->terminal ? PRL_ATTACH_TERMINAL : 0)};
    (void)prl_record_send(socket_fd, &head, NULL); /* fails: it hung up */
    if (k->options->background)
        prl_close_p(&socket_fd);
    else
        prl_control_adopt(&k->control, socket_fd);
    prl_health_begin(&k->control.health);
    int r = monitor(k, &status, &error);
    prl_health_end(&k->control.health);
    prl_log_close(&k->control.log); /* whole before anybody hears of the end */
    prl_control_hear(&k->control, &k->child);
    prl_control_retire(&k->control);
    prl_child_close(&k->child);
    const struct prl_status *known = r < 0 ? NULL : &status;
    if (k->options->finish)
        (void)k->options->finish(data, known, &second);
    prl_control_end(&k->control, known, r < 0 ? &error : &second);
}

void prl_attach_monitor(const struct prl_attach_options *options, prl_attach_start_fn start,
                        void *data, int socket_fd)
{
    struct keeper k = {.options = options,
                       .child = {.pidfd = -1, .terminal_fd = -1},
                       .lent = {.fds = {-1, -1, -1}},
                       .from = {-1, -1},
                       .peer_fd = -1};
    struct prl_error error = {0}, second;
    (void)setsid(); /* the caller's terminal, its keys and its end are not for us */
    int r =
        passes_through(options) ? prl_streams_take(options->interactive, &k.lent, &error) : 0;
    prl_streams_leave();
    close_inherited();
    if (r == 0)
        r = begin(&k, start, data, &error);
    if (r == 0) {
        keep(&k, data, socket_fd);
        prl_control_close(&k.control);
        return;
    }
    prl_control_retire(&k.control);
    prl_child_close(&k.child);
    if (options->finish) /* before the answer: the caller's next command finds nothing of it */
        (void)options->finish(data, NULL, &second);
    const struct prl_record_head head = {.kind = PRL_RECORD_FAILED, .len = sizeof error};
    (void)prl_record_send(socket_fd, &head, &error);
}
