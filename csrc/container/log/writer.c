/* writer.c: see writer.h.
 * In, out: as there.  Never: as there.
 *
 * Lines are cut as docker cuts them: at their ends, and after PRL_LOG_PIECE_BYTES, but never
 * within a letter.  What comes together is written together. */
#include "container/log/file.h"
#include "container/log/journal.h"
#include "container/log/records.h"

#include "base/own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { OUT_BYTES = PRL_LOG_RECORD_BYTES + PRL_LOG_PIECE_BYTES };

int prl_log_open(struct prl_log *log, int dir_fd, const struct prl_log_settings *settings,
                 const struct prl_log_owner *owner, const char **ret_what)
{
    *log = PRL_LOG_NONE_YET;
    log->settings = *settings;
    log->owner = *owner;
    log->dir_fd = dir_fd;
    *ret_what = settings->driver == PRL_LOG_JOURNALD ? "/run/systemd/journal/socket" : "log";
    if (settings->driver == PRL_LOG_NONE || settings->driver == PRL_LOG_PASSTHROUGH)
        return 0;
    if (settings->driver == PRL_LOG_JOURNALD)
        return prl_log_journal_open(log);
    log->out = malloc(OUT_BYTES);
    return log->out ? prl_log_file_open(log) : -ENOMEM;
}

static void flush(struct prl_log *log)
{
    if (log->out_len == 0)
        return;
    if (prl_log_file_write(log, log->out, log->out_len))
        log->lost -= log->telling;
    else if (log->out_payload > 0)
        prl_log_file_lost(log, log->out_payload);
    log->out_len = log->out_payload = log->telling = 0;
}

/* payload: so much of it is the container's output. */
static void add_record(struct prl_log *log, const struct prl_log_line *line, size_t payload)
{
    uint64_t most = log->settings.max_bytes;
    if (most > 0 && log->size + log->out_len >= most) {
        flush(log);
        if (log->size >= most)
            prl_log_file_rotate(log);
    }
    if (OUT_BYTES - log->out_len < 6 * line->len + 128)
        flush(log);
    log->out_len += prl_log_record(log->settings.driver, line, log->out + log->out_len);
    log->out_payload += payload;
}

static void keep(struct prl_log *log, const struct prl_log_line *line)
{
    size_t payload = line->len + line->whole;
    if (log->settings.driver != PRL_LOG_JOURNALD)
        add_record(log, line, payload);
    else if (!prl_log_journal_send(log, line))
        prl_log_file_lost(log, payload);
}

/* There may be room again: the log says first what is missing, together with what comes next,
 * so that it says it once. */
static void tell_lost(struct prl_log *log)
{
    char note[80];
    struct prl_log_line line = {.stream = 2, .bytes = note, .whole = true};
    if (log->lost == 0)
        return;
    line.len =
        (size_t)snprintf(note, sizeof note, "pyrootless: %llu bytes of output had no room",
                         (unsigned long long)log->lost);
    clock_gettime(CLOCK_REALTIME, &line.time);
    if (log->settings.driver != PRL_LOG_JOURNALD) {
        log->telling = log->lost;
        add_record(log, &line, 0);
    } else if (prl_log_journal_send(log, &line)) {
        log->lost = 0;
    }
}

/* So many bytes of a full rest that no letter is cut. */
static size_t whole_letters(const char *bytes, size_t len)
{
    for (size_t back = 1; back <= 3 && back < len; back++) {
        unsigned char byte = (unsigned char)bytes[len - back];
        size_t wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        if (byte >= 0x80 && byte < 0xc0)
            continue;
        return wanted > back ? len - back : len;
    }
    return len;
}

static void keep_rest(struct prl_log *log, int stream, struct prl_log_rest *rest, bool whole)
{
    struct prl_log_line line = {.stream = stream,
                                .bytes = rest->bytes,
                                .len = rest->len,
                                .whole = whole,
                                .time = rest->time};
    if (!whole && rest->len == PRL_LOG_PIECE_BYTES)
        line.len = whole_letters(rest->bytes, rest->len);
    keep(log, &line);
    rest->len -= line.len;
    if (rest->len > 0)
        memmove(rest->bytes, rest->bytes + line.len, rest->len);
    rest->begun = !whole;
}

/* Bytes without an end of line.  false: there was no memory. */
static bool add_to_rest(struct prl_log *log, int stream, const char *bytes, size_t len,
                        const struct timespec *now)
{
    struct prl_log_rest *rest = &log->rests[stream - 1];
    if (!rest->bytes)
        rest->bytes = malloc(PRL_LOG_PIECE_BYTES);
    while (rest->bytes && len > 0) {
        size_t room = PRL_LOG_PIECE_BYTES - rest->len, take = len < room ? len : room;
        if (rest->len == 0 && !rest->begun)
            rest->time = *now;
        memcpy(rest->bytes + rest->len, bytes, take);
        rest->len += take;
        bytes += take;
        len -= take;
        if (rest->len == PRL_LOG_PIECE_BYTES)
            keep_rest(log, stream, rest, false);
    }
    if (!rest->bytes)
        prl_log_file_lost(log, len);
    return rest->bytes != NULL;
}

static void add_line(struct prl_log *log, int stream, const char *bytes, size_t len,
                     const struct timespec *now)
{
    struct prl_log_rest *rest = &log->rests[stream - 1];
    const struct prl_log_line line = {
        .stream = stream, .bytes = bytes, .len = len, .whole = true, .time = *now};
    if (rest->len == 0 && !rest->begun && len < PRL_LOG_PIECE_BYTES) {
        keep(log, &line);
        return;
    }
    if (!add_to_rest(log, stream, bytes, len, now))
        return;
    keep_rest(log, stream, rest, true);
}

void prl_log_write(struct prl_log *log, int stream, const char *bytes, size_t len)
{
    struct timespec now;
    if (log->fd < 0)
        return;
    tell_lost(log);
    clock_gettime(CLOCK_REALTIME, &now);
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t line_len = end ? (size_t)(end - bytes) : len;
        if (end)
            add_line(log, stream, bytes, line_len, &now);
        else
            (void)add_to_rest(log, stream, bytes, line_len, &now);
        bytes += line_len + (end != NULL);
        len -= line_len + (end != NULL);
    }
    flush(log);
}

void prl_log_close(struct prl_log *log)
{
    if (log->fd >= 0) {
        tell_lost(log);
        for (int i = 0; i < 2; i++)
            if (log->rests[i].len > 0)
                keep_rest(log, i + 1, &log->rests[i], false);
        flush(log);
    }
    for (int i = 0; i < 2; i++)
        free(log->rests[i].bytes);
    free(log->out);
    prl_close_p(&log->fd);
    *log = PRL_LOG_NONE_YET;
}
