/* writer.h: what a container writes, kept line by line with the time of each.
 * In: pieces of its two streams.  Out: records of a driver: files in its directory, or the
 * journal of the machine.
 * Never: a wait; memory that grows with the output; a record that is not whole, but for the one
 * a kill cut off. */
#pragma once

#include "prl.h"

#include <time.h>

enum {
    PRL_LOG_PIECE_BYTES = 16384, /* of a line; longer ones are kept in pieces, as docker does */
    PRL_LOG_FILES_MAX = 1000,
};

/* Whose output it is; for the journal. */
struct prl_log_owner {
    const char *id, *name, *image; /* name, image: NULL: none */
};

/* One line of one stream, or a piece of it. */
struct prl_log_line {
    int stream; /* 1 or 2 */
    const char *bytes;
    size_t len; /* without its end */
    bool whole; /* it, or its last piece */
    struct timespec time;
};

/* A line whose end has not come. */
struct prl_log_rest {
    char *bytes; /* malloc'd, PRL_LOG_PIECE_BYTES; NULL: there was none yet */
    size_t len;
    bool begun;           /* pieces of it are written */
    struct timespec time; /* of the first one */
};

struct prl_log {
    struct prl_log_settings settings;
    struct prl_log_owner owner;
    int dir_fd;    /* the caller's; the container's directory */
    int fd;        /* of the newest file, or of the journal's socket; -1: nothing is kept */
    uint64_t size; /* of that file */
    char *out;     /* malloc'd records that are not written yet */
    size_t out_len, out_payload;
    uint64_t lost, lost_ever; /* bytes that there was no room for: since it was told; ever */
    uint64_t telling;         /* of these, as the records in `out` say */
    struct prl_log_rest rests[2];
};

/* Nothing is kept. */
#define PRL_LOG_NONE_YET ((struct prl_log){.dir_fd = -1, .fd = -1})

/* The texts of owner and dir_fd outlive it.  -errno: *ret_what is the file that was not
 * opened. */
int prl_log_open(struct prl_log *log, int dir_fd, const struct prl_log_settings *settings,
                 const struct prl_log_owner *owner, const char **ret_what);
void prl_log_write(struct prl_log *log, int stream, const char *bytes, size_t len);
/* Lines whose end never came are written too. */
void prl_log_close(struct prl_log *log);
