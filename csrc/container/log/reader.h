/* reader.h: what a log says, from the begin or its last lines, and what is added to it.
 * In: a container's directory, what is wanted.  Out: lines of its output, in order, stream by
 * stream.
 * Never: the log in memory; a file that is no regular one; a line twice or left out where the
 * log is rotated meanwhile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prl_log_query {
    int64_t since_ns, until_ns; /* since 1970, both included; INT64_MIN, INT64_MAX: no bound */
    int64_t tail;               /* so many records from the end; -1: all */
    bool timestamps, details;   /* in front of each line */
    bool out, err;              /* which streams */
    bool follow;                /* go on until the container has ended: follow.h */
};

struct prl_log_reader;
/* What goes out, of one stream. */
struct prl_log_text {
    int stream;
    const char *bytes; /* until the next call */
    size_t len;
};

/* -ENOENT: there is no log. */
int prl_log_reader_open(const char *directory, const struct prl_log_query *query,
                        struct prl_log_reader **ret);
/* 1: *ret is filled; 0: there is no more at this time; PRL_LOG_PAST: nor will there be, for
 * `until` is past; -errno. */
enum { PRL_LOG_PAST = 2 };
int prl_log_reader_next(struct prl_log_reader *reader, struct prl_log_text *ret);
/* Nothing more will be written: the next calls also show what has no end. */
void prl_log_reader_finish(struct prl_log_reader *reader);
/* A descriptor that is readable when the log may have grown (read it empty); -errno. */
int prl_log_reader_watch(struct prl_log_reader *reader);
/* So many bytes of a container's output found no room in its log, all in all. */
uint64_t prl_log_lost(const char *directory);
void prl_log_reader_close(struct prl_log_reader *reader);
