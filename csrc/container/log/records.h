/* records.h: one line of output ↔ one record of a log; for writer.c and reader.c.
 * In: bytes, whatever they are.  Out: a record of docker's json-file, or of Kubernetes' CRI.
 * Never: a record without its end of line; a byte of the output that could end it. */
#pragma once

#include "container/log/writer.h"

/* The longest record of a piece. */
enum { PRL_LOG_RECORD_BYTES = 6 * PRL_LOG_PIECE_BYTES + 128 };

/* `out` has room for PRL_LOG_RECORD_BYTES.  Returns the record's length. */
size_t prl_log_record(enum prl_log_driver driver, const struct prl_log_line *line, char *out);
/* Bytes as the inside of a JSON string: what is no UTF-8 is U+FFFD.  `out` has room for six
 * times as many. */
size_t prl_log_escape(const char *bytes, size_t len, char *out);
/* "2026-12-01T17:52:05.123456789Z"; trimmed: without zeros at the end of the fraction. */
size_t prl_log_time(const struct timespec *time, bool trimmed, char out[32]);

/* What a record says.  bytes lies in the record, which is changed. */
struct prl_log_said {
    char *bytes; /* with the end of the line, where it has one */
    size_t len;
    int stream;
    bool timed;
    struct timespec time;
    const char *details; /* attributes as JSON, in the record; NULL: none */
    size_t details_len;
};

/* A record of either form; its end of line stands at record[len] when it has ended.  What is no
 * record is said as it stands, by standard output; of one that a kill cut off, what is there.
 */
void prl_log_read_record(char *record, size_t len, bool ended, struct prl_log_said *ret);
