/* relay.h: one stream carried from one descriptor to another.
 * In: two descriptors, poll results.  Out: bytes, in order, all of them, through one bounded
 * buffer. Never: blocking, polling by itself, changing a descriptor that others share. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

enum { PRL_PUMP_BYTES = 32768 };

/* May change, drop or prepend bytes: `bytes` holds len, has room for PRL_PUMP_SLACK more.
 * Returns the new length. */
typedef size_t (*prl_pump_filter_fn)(void *data, char *bytes, size_t len);
enum { PRL_PUMP_SLACK = 64 };

struct prl_pump {
    int from, to; /* -1: this side is over */
    bool close_from, close_to;
    bool discard;    /* there is no other side: read and forget */
    bool fed;        /* bytes come by prl_pump_feed; false again: no more will */
    bool read_ahead; /* read while there is room, not only when the buffer is empty */
    bool to_socket;
    bool broken;       /* the reader behind `to` went away */
    size_t write_size; /* largest write that a ready `to` takes without blocking */
    size_t start, len, size;
    char *buffer; /* malloc'd */
    prl_pump_filter_fn filter;
    void *filter_data;
};

enum {
    PRL_PUMP_OWN_FROM = 1, /* `from` is the pump's: made non-blocking, closed at its end */
    PRL_PUMP_OWN_TO = 2,
    PRL_PUMP_DISCARD = 4,
    PRL_PUMP_FED = 8,
};

/* A pump that never was opened must be {.from = -1, .to = -1}.  On -errno the owned descriptors
 * stay the caller's. */
int prl_pump_open(struct prl_pump *pump, int from, int to, int flags);
void prl_pump_close(struct prl_pump *pump);
/* What to wait for: fds[0] is `from`, fds[1] is `to`. */
void prl_pump_poll(const struct prl_pump *pump, struct pollfd fds[2]);
/* Move what poll found. */
void prl_pump_step(struct prl_pump *pump, const struct pollfd fds[2]);
/* More for the other side, whatever it takes now.  false: there was no memory. */
bool prl_pump_feed(struct prl_pump *pump, const char *bytes, size_t len);
/* Both sides are over and everything was written. */
bool prl_pump_done(const struct prl_pump *pump);
/* The writer behind `from` is gone: when nothing is left to read, that is the end even if
 * somebody still holds the stream open.  Returns true when done. */
bool prl_pump_drain(struct prl_pump *pump);
