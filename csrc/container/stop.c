/* stop.c: see stop.h.
 * In, out, never: as there.
 *
 * The file `stopped` tells the monitor that somebody wanted this end: it is written before the
 * container is looked at, so that a monitor that starts it again meanwhile finds it. */
#include "container/stop.h"

#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/monitor/exports.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TERM_NUMBER = 15, USUAL_SECONDS = 10, KILL_SECONDS = 10, STEP_MS = 10 };

/* What config.json says of its end. */
struct wishes {
    int signal, seconds;
    bool again; /* it is started again after an end that nobody wanted */
};

static void read_wishes(const struct prl_listed *row, struct wishes *ret)
{
    char text[32];
    _cleanup_free_ char *config = NULL;
    size_t len;
    *ret = (struct wishes){TERM_NUMBER, USUAL_SECONDS, false};
    if (prl_state_read(row->directory, PRL_STATE_CONFIG, &config, &len) < 0)
        return;
    if (prl_state_note(config, len, "io.pyrootless.stop-signal", text, sizeof text))
        ret->signal = (int)strtol(text, NULL, 10);
    if (prl_state_note(config, len, "io.pyrootless.stop-timeout", text, sizeof text))
        ret->seconds = (int)strtol(text, NULL, 10);
    ret->again = prl_state_note(config, len, "io.pyrootless.restart", text, sizeof text);
}

/* Somebody wants its end: what it is now, after that was written down. */
static int look_and_tell(const struct prl_dirs *dirs, const char *text, struct wishes *ret,
                         struct prl_listed *row, struct prl_error *reterr)
{
    char id[sizeof row->id];
    int r = prl_state_look_up(dirs, text, row, reterr);
    if (r < 0)
        return r;
    read_wishes(row, ret);
    if (!row->running || !ret->again)
        return 0;
    r = prl_state_mark(row->directory, "stopped");
    if (r < 0)
        r = prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "%s/stopped", row->directory);
    memcpy(id, row->id, sizeof id);
    free(row->directory);
    row->directory = NULL;
    return r < 0 ? r : prl_state_look_up(dirs, id, row, reterr);
}

/* false: it goes on after so many seconds; -1: no limit. */
static bool ended_within(const struct prl_joinable *process, const struct prl_listed *row,
                         int seconds)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    const uint64_t end_ns =
        prl_sys_now_ns() + (uint64_t)(seconds < 0 ? 0 : seconds) * 1000000000u;
    for (;;) {
        uint64_t now_ns = prl_sys_now_ns();
        uint64_t left_ms = now_ns < end_ns ? (end_ns - now_ns + 999999u) / 1000000u : 0;
        struct pollfd fd = {process->pidfd, POLLIN, 0};
        struct prl_joinable living;
        if (process->pidfd >= 0 && poll(&fd, 1, seconds < 0 ? -1 : (int)left_ms) > 0)
            return true;
        if (process->pidfd < 0) { /* FALLBACK for pidfd_open; remove when 5.3 is required */
            if (prl_process_hold(row->pid, row->start_ticks, &living) < 0)
                return true;
            prl_process_release(&living);
            nanosleep(&step, NULL);
        }
        if (seconds >= 0 && now_ns >= end_ns)
            return false;
    }
}

/* What is done to one container, and what its events say of it (NULL: nothing, it has no name).
 */
struct deed {
    const struct prl_dirs *dirs;
    const struct prl_listed *row;
    const char *attributes;
};

static void tell(const struct deed *deed, const char *action, int signal)
{
    char more[32] = "";
    if (signal)
        snprintf(more, sizeof more, "\"signal\":\"%d\"", signal);
    const struct prl_event event = {.type = "container",
                                    .action = action,
                                    .id = deed->row->id,
                                    .attributes = deed->attributes,
                                    .more = more};
    if (deed->attributes)
        prl_journal_add(deed->dirs, &event);
}

static int end_process(const struct deed *deed, const struct prl_joinable *process,
                       const struct prl_stop *how, struct prl_error *reterr)
{
    const struct prl_listed *row = deed->row;
    tell(deed, "kill", how->signal);
    int dropped = prl_first_signal(process->pid, process->pidfd, how->signal, reterr);
    if (dropped < 0 && reterr->errnum == ESRCH)
        return 0;
    if (dropped < 0)
        return dropped;
    if (row->life == PRL_LIFE_PAUSED)
        prl_state_thaw(row->id,
                       row->directory); /* as docker: it gets the signal, and goes on */
    if (dropped == 0 && ended_within(process, row, how->seconds))
        return 0;
    tell(deed, "kill", SIGKILL);
    if (prl_first_signal(process->pid, process->pidfd, SIGKILL, reterr) < 0 &&
        reterr->errnum != ESRCH)
        return -reterr->errnum;
    if (ended_within(process, row, KILL_SECONDS))
        return 0;
    return prl_failf(reterr, PRL_STAGE_STATE, ETIME, "kill",
                     "container %.12s did not end on SIGKILL: see what it waits for with \"cat "
                     "/proc/%d/stack\"",
                     row->id, (int)row->pid);
}

static int fail_stopped(const char *text, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_STATE, ESRCH, "container", "\"%.80s\" is not running",
                     text);
}

/* Its monitor has written down the end, unless somebody lets it wait who reads its output. */
static int stop(const struct prl_dirs *dirs, const struct prl_listed *row,
                const struct prl_stop *how, struct prl_error *reterr)
{
    struct prl_joinable process;
    if (row->life == PRL_LIFE_CREATED || row->life == PRL_LIFE_EXITED)
        return 0;
    _cleanup_free_ char *attributes = prl_journal_attributes_of(row->directory);
    const struct deed deed = {dirs, row, attributes};
    int r = prl_process_hold(row->pid, row->start_ticks, &process);
    if (r == -EPERM)
        return fail_stopped(row->id, reterr);
    if (r == 0) {
        r = end_process(&deed, &process, how, reterr);
        prl_process_release(&process);
    } else {
        r = 0; /* it has ended meanwhile, or waits to be started again */
    }
    if (r < 0)
        return r;
    (void)prl_state_await_briefly(dirs, row->id);
    tell(&deed, "stop", 0);
    return 0;
}

int prl_container_stop(const struct prl_dirs *dirs, const char *text,
                       const struct prl_stop *how, struct prl_error *reterr)
{
    struct prl_listed row = {0};
    struct wishes wishes;
    int r = look_and_tell(dirs, text, &wishes, &row, reterr);
    if (r == 0) {
        const struct prl_stop wanted = {.signal = how->signal ? how->signal : wishes.signal,
                                        .seconds = how->seconds == PRL_STOP_OWN ? wishes.seconds
                                                                                : how->seconds};
        r = stop(dirs, &row, &wanted, reterr);
    }
    free(row.directory);
    return r;
}

int prl_container_kill(const struct prl_dirs *dirs, const char *text, int signal,
                       struct prl_error *reterr)
{
    struct prl_listed row = {0};
    struct prl_joinable process;
    struct wishes wishes;
    int r = prl_state_look_up(dirs, text, &row, reterr);
    if (r < 0)
        return r;
    read_wishes(&row, &wishes);
    if (row.running && wishes.again && (signal == SIGKILL || signal == wishes.signal))
        (void)prl_state_mark(row.directory, "stopped"); /* else it may start again */
    if (prl_process_hold(row.pid, row.start_ticks, &process) < 0) {
        r = row.life == PRL_LIFE_RESTARTING ? 0 : fail_stopped(text, reterr);
    } else {
        r = process.pidfd < 0 ? kill(process.pid, signal)
                              : prl_sys_pidfd_send_signal(process.pidfd, signal);
        _cleanup_free_ char *attributes = prl_journal_attributes_of(row.directory);
        if (r == 0)
            tell(&(struct deed){dirs, &row, attributes}, "kill", signal);
        if (r < 0 && errno != ESRCH)
            r = prl_fail(reterr, PRL_STAGE_STATE, "kill", text);
        prl_process_release(&process);
        if (row.life == PRL_LIFE_PAUSED && (signal == SIGKILL || signal == wishes.signal))
            prl_state_thaw(row.id, row.directory);
    }
    free(row.directory);
    return r < 0 ? r : 0;
}
