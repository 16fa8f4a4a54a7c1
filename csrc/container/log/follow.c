/* follow.c: see follow.h.
 * In: the log, notice of what is added to it, the container's monitor.  Out, never: as there.
 *
 * The monitor says when the container has ended; where it has no socket, or no place for one
 * more client, somebody looks from time to time. */
#include "container/log/follow.h"

#include "base/error.h"
#include "base/own.h"
#include "base/span.h"
#include "container/monitor/exports.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOOK_MS = 200, NOTICE_BYTES = 4096 };

struct prl_log_follow {
    const struct prl_dirs *dirs;
    struct prl_log_reader *reader;
    int64_t until_ns;
    int watch_fd, control_fd; /* -1: there is none */
    bool goes_on;
    char id[65];
};

/* "": none was named. */
static void read_driver(const struct prl_listed *row, char ret[32])
{
    _cleanup_free_ char *text = NULL;
    struct prl_span found = {"\"\"", 2};
    size_t len = 0;
    if (prl_state_read(row->directory, PRL_STATE_CONFIG, &text, &len) == 0)
        (void)prl_span_find((struct prl_span){text, len}, "annotations",
                            "io.pyrootless.log.driver", &found);
    snprintf(ret, 32, "%.*s", found.len < 32 ? (int)found.len - 2 : 0, found.at + 1);
}

static int fail_no_log(const struct prl_listed *row, int errnum, struct prl_error *reterr)
{
    char driver[32];
    const char *name = row->name[0] ? row->name : row->id;
    read_driver(row, driver);
    if (errnum == ENOENT && strcmp(driver, "journald") == 0)
        return prl_failf(reterr, PRL_STAGE_STATE, ENOMSG, "logs",
                         "the log of container %.80s is in the journal of this machine: "
                         "journalctl CONTAINER_ID_FULL=%s",
                         name, row->id);
    if (errnum == ENOENT && driver[0])
        return prl_failf(reterr, PRL_STAGE_STATE, ENOMSG, "logs",
                         "container %.80s keeps no log that can be read: it was started with "
                         "--log-driver %s",
                         name, driver);
    if (errnum == ENOENT)
        return prl_failf(reterr, PRL_STAGE_STATE, ENOMSG, "logs",
                         "container %.80s has no log: it was started in the foreground", name);
    return prl_failf(reterr, PRL_STAGE_STATE, errnum, "logs",
                     "cannot read the log of %.80s: %s", name, strerror(errnum));
}

static void ask_for_end(struct prl_log_follow *follow)
{
    const struct prl_record_head head = {.kind = PRL_RECORD_WAIT};
    follow->control_fd = prl_control_connect(follow->dirs, follow->id);
    if (follow->control_fd >= 0 && prl_record_send(follow->control_fd, &head, NULL) < 0)
        prl_close_p(&follow->control_fd);
}

int prl_log_follow_open(const struct prl_dirs *dirs, const struct prl_listed *row,
                        const struct prl_log_query *query, struct prl_log_follow **ret,
                        struct prl_error *reterr)
{
    struct prl_log_follow *made = calloc(1, sizeof *made);
    if (!made)
        return prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc", "log");
    made->dirs = dirs;
    made->until_ns = query->until_ns;
    made->watch_fd = made->control_fd = -1;
    made->goes_on = query->follow && row->running;
    memcpy(made->id, row->id, sizeof made->id);
    if (made->goes_on) /* before the log is read: nothing falls between */
        ask_for_end(made);
    int r = prl_log_reader_open(row->directory, query, &made->reader);
    if (r < 0) {
        prl_log_follow_close(made);
        return fail_no_log(row, -r, reterr);
    }
    if (made->goes_on)
        made->watch_fd = prl_log_reader_watch(made->reader);
    if (!row->running)
        prl_log_reader_finish(made->reader);
    *ret = made;
    return 0;
}

void prl_log_follow_close(struct prl_log_follow *follow)
{
    prl_log_reader_close(follow->reader);
    prl_close_p(&follow->watch_fd);
    prl_close_p(&follow->control_fd);
    free(follow);
}

static void end(struct prl_log_follow *follow)
{
    follow->goes_on = false;
    prl_log_reader_finish(follow->reader);
}

static void look(struct prl_log_follow *follow)
{
    struct prl_listed row = {0};
    struct prl_error gone;
    bool runs = prl_state_look_up(follow->dirs, follow->id, &row, &gone) == 0 && row.running;
    free(row.directory);
    if (!runs)
        end(follow);
}

/* Its end, or that it answers nobody any more. */
static void hear(struct prl_log_follow *follow)
{
    _cleanup_free_ struct prl_record *record = malloc(sizeof *record);
    int passed = -1;
    int r = record ? prl_record_receive(follow->control_fd, record, &passed) : -ENOMEM;
    prl_close_p(&passed);
    if (r > 0 && record->head.kind == PRL_RECORD_REFUSED)
        prl_close_p(&follow->control_fd);
    else if (r <= 0 || record->head.kind == PRL_RECORD_ENDED)
        end(follow);
}

/* Until there may be more.  -EINTR. */
static int wait_for_more(struct prl_log_follow *follow)
{
    static const int64_t ms = 1000000;
    char notice[NOTICE_BYTES];
    struct timespec now;
    struct pollfd fds[] = {{follow->watch_fd, POLLIN, 0}, {follow->control_fd, POLLIN, 0}};
    int64_t left_ms = follow->watch_fd < 0 || follow->control_fd < 0 ? LOOK_MS : INT_MAX;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t until_ms = follow->until_ns / ms - now.tv_sec * 1000 - now.tv_nsec / ms;
    if (until_ms < 0) {
        end(follow);
        return 0;
    }
    left_ms = until_ms < left_ms ? until_ms + 1 : left_ms;
    if (poll(fds, 2, left_ms == INT_MAX ? -1 : (int)left_ms) < 0)
        return -errno;
    if (fds[0].revents)
        (void)!read(follow->watch_fd, notice, sizeof notice);
    if (fds[1].revents)
        hear(follow);
    else if (follow->control_fd < 0)
        look(follow);
    return 0;
}

int prl_log_follow_next(struct prl_log_follow *follow, struct prl_log_text *ret)
{
    while (true) {
        int r = prl_log_reader_next(follow->reader, ret);
        if (r != 0)
            return r == PRL_LOG_PAST ? 0 : r;
        if (!follow->goes_on)
            return 0;
        r = wait_for_more(follow);
        if (r < 0)
            return r;
    }
}
