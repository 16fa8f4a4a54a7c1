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
#include "base/sys.h"
#include "container/monitor/exports.h"
#include "container/state/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 200 };

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
    r = o->background || o->leaves ? open_log(control, reterr) : 0;
    if (r < 0)
        return r;
    control->listen_fd = prl_control_listen(o->dirs, o->id, reterr);
    return control->listen_fd < 0 ? control->listen_fd : 0;
}

static int begin(struct keeper *k, prl_attach_start_fn start, void *data,
                 struct prl_error *reterr)
{
    int r = open_streams(k, reterr);
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

void prl_attach_fail(const struct prl_attach_options *options, void *data,
                     const struct prl_error *error)
{
    struct prl_error second;
    if (options->fail)
        (void)options->fail(data, error, &second);
    else if (options->finish)
        (void)options->finish(data, NULL, &second);
}

/* One run, to its end. */
static int run(struct keeper *k, struct prl_status *ret, struct prl_error *reterr)
{
    *ret = (struct prl_status){0};
    prl_health_begin(&k->control.health);
    int r = monitor(k, ret, reterr);
    prl_health_end(&k->control.health);
    prl_log_close(&k->control.log); /* whole before anybody hears of the end */
    prl_control_hear(&k->control, &k->child);
    return r;
}

/* --- from one run to the next --- */

/* Everybody is told of the end, as if it were the last; the next run begins with its log alone.
 */
static int part(struct keeper *k, const struct prl_status *status, struct prl_error *reterr)
{
    const struct prl_error none = {0};
    prl_child_close(&k->child);
    prl_close_p(&k->control.input_fd);
    prl_close_p(&k->peer_fd);
    k->from[0] = k->from[1] = -1; /* closed with the run */
    prl_control_end(&k->control, status, &none);
    return open_log(&k->control, reterr);
}

/* false: somebody wanted this end. */
static bool rest(struct keeper *k, uint64_t pause_ns)
{
    struct pollfd fds[PRL_CONTROL_FDS + 1];
    const uint64_t end_ns = prl_sys_now_ns() + pause_ns;
    _cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    bool watched = watch >= 0 && inotify_add_watch(watch, k->options->place, IN_CREATE) >= 0;
    while (!prl_state_is_marked(k->options->place_fd, ".", "stopped")) {
        uint64_t now_ns = prl_sys_now_ns();
        if (now_ns >= end_ns)
            return true;
        uint64_t left_ms = (end_ns - now_ns + 999999u) / 1000000u;
        char news[512];
        prl_control_poll(&k->control, fds);
        fds[PRL_CONTROL_FDS] = (struct pollfd){watched ? watch : -1, POLLIN, 0};
        /* Without inotify (a user has few of them) it looks now and then. */
        if (poll(fds, PRL_CONTROL_FDS + 1,
                 (int)(watched || left_ms < LOOK_MS ? left_ms : LOOK_MS)) <= 0)
            continue;
        if (watched)
            (void)!read(watch, news, sizeof news);
        prl_control_step(&k->control, &k->child, fds);
    }
    return false;
}

/* 1: it runs again; 0: its last end stays; -errno: it could not be started. */
static int again(struct keeper *k, prl_attach_start_fn start, void *data,
                 const struct prl_status *status, struct prl_error *reterr)
{
    struct prl_error ignored;
    uint64_t pause_ns = 0;
    if (!k->options->again || k->options->again(data, status, &pause_ns) != 1)
        return 0;
    int r = part(k, status, reterr);
    if (r < 0 || !rest(k, pause_ns))
        return r;
    r = begin(k, start, data, reterr);
    /* Whoever stopped it while it was started did not find it running. */
    if (r == 0 && prl_state_is_marked(k->options->place_fd, ".", "stopped"))
        (void)prl_child_signal(&k->child, SIGKILL, &ignored);
    return r < 0 ? r : 1;
}

/* The program runs. */
static void keep(struct keeper *k, prl_attach_start_fn start, void *data, int socket_fd)
{
    struct prl_status status = {0};
    struct prl_error error = {0}, second = {0};
    int r, next = 0;
    const struct prl_record_head head = {.kind = PRL_RECORD_ATTACHED,
                                         .value =
                                             (k->control.input_fd >= 0 ? PRL_ATTACH_INPUT : 0) |
                                             (k->options->terminal ? PRL_ATTACH_TERMINAL : 0)};
    (void)prl_record_send(socket_fd, &head, NULL); /* fails: it hung up */
    if (k->options->background)
        prl_close_p(&socket_fd);
    else
        prl_control_adopt(&k->control, socket_fd, !k->options->leaves);
    do {
        r = run(k, &status, &error);
        next = r < 0 ? 0 : again(k, start, data, &status, &error);
    } while (next == 1);
    prl_control_retire(&k->control);
    prl_child_close(&k->child);
    const struct prl_status *known = r < 0 ? NULL : &status;
    if (next < 0)
        prl_attach_fail(k->options, data, &error);
    else if (k->options->finish)
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
    struct prl_error error = {0};
    (void)setsid(); /* the caller's terminal, its keys and its end are not for us */
    int r =
        passes_through(options) ? prl_streams_take(options->interactive, &k.lent, &error) : 0;
    prl_streams_leave();
    close_inherited();
    if (r == 0)
        r = open_doors(&k, &error);
    if (r == 0)
        r = begin(&k, start, data, &error);
    if (r == 0) {
        keep(&k, start, data, socket_fd);
        prl_control_close(&k.control);
        return;
    }
    prl_control_retire(&k.control);
    prl_child_close(&k.child);
    prl_attach_fail(options, data,
                    &error); /* before the answer: the next command finds it so */
    const struct prl_record_head head = {.kind = PRL_RECORD_FAILED, .len = sizeof error};
    (void)prl_record_send(socket_fd, &head, &error);
}
