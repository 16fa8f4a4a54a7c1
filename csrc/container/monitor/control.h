/* control.h: those who speak to a container's monitor, and where its output goes.
 * In: connections, records, a container's streams.  Out: its output to the log and to whoever
 * watches; signals, sizes and input to the container; its end to who waits.
 * Never: a wait for a client, but for the one that started it in the foreground; memory that
 * grows with the output; a client's fault that another one feels. */
#pragma once

#include "container/health/check.h"
#include "container/log/exports.h"
#include "container/monitor/exec.h"
#include "container/monitor/ring.h"
#include "container/state/record.h"

#include <poll.h>

enum {
    PRL_CONTROL_CLIENTS = 32,
    PRL_CONTROL_EXECS = 32,
    PRL_CONTROL_FDS = 2 + PRL_CONTROL_CLIENTS + PRL_CONTROL_EXECS + PRL_HEALTH_FDS,
};

struct prl_client {
    int fd;          /* -1: this place is free */
    uint64_t number; /* no other client of this monitor ever has it */
    bool starter;    /* it started the container: nothing is lost for it, */
    bool owner;      /* and the container ends with it unless it says LEAVE */
    bool attached;   /* it gets the output */
    bool waits;      /* it is told of the end */
    struct prl_ring_place place;
    uint64_t behind_ns; /* when it fell behind, CLOCK_MONOTONIC; 0: it has not */
    char *input;        /* malloc'd window of PRL_RECORD_BYTES; NULL: it never wrote */
    size_t input_start, input_len;
    bool input_over; /* it said INPUT_END */
    int streams[3];  /* of its next EXEC; -1: /dev/null */
};

struct prl_control;
/* One stream of the container, for prl_relay. */
struct prl_outlet {
    struct prl_control *control;
    int stream; /* 1 or 2 */
};

struct prl_control {
    const struct prl_dirs *dirs;
    char id[65];
    int listen_fd; /* -1: nobody can connect */
    int input_fd;  /* what the container reads; ours; -1: nothing */
    bool terminal;
    int place_fd; /* the directory its log is made in at LEAVE; -1: none */
    struct prl_log_settings log_settings;
    struct prl_log_owner log_owner;
    struct prl_log log;
    struct prl_health_check health;
    struct prl_outlet outlets[2];
    struct prl_ring ring;
    uint64_t numbers; /* how many clients there were */
    struct prl_client clients[PRL_CONTROL_CLIENTS];
    struct prl_execution executions[PRL_CONTROL_EXECS];
    struct prl_record *record; /* malloc'd: what comes, and what goes */
};

int prl_control_open(struct prl_control *control, struct prl_error *reterr);
void prl_control_close(struct prl_control *control);
/* The process that starts the container: it is attached from the first byte. */
void prl_control_adopt(struct prl_control *control, int fd, bool owner);
/* Begin the log, in the container's directory.  -errno: *ret_what is what could not be opened.
 */
int prl_control_log(struct prl_control *control, const char **ret_what);

/* For the loop that waits for the container. */
void prl_control_poll(const struct prl_control *control, struct pollfd fds[PRL_CONTROL_FDS]);
void prl_control_step(struct prl_control *control, struct prl_child *child,
                      const struct pollfd fds[PRL_CONTROL_FDS]);
/* How long until something is to be done, whatever comes; UINT64_MAX: nothing is. */
uint64_t prl_control_due_ns(const struct prl_control *control);
/* A prl_pump_filter_fn; data is a prl_outlet. */
size_t prl_control_output(void *data, char *bytes, size_t len);
/* Somebody has not read half of what the ring holds: read no more output for so long.  0: go
 * on; UINT64_MAX: the starter, for whom nothing may be lost; else at most
 * PRL_CONTROL_PATIENCE_NS until that client has caught up again. */
uint64_t prl_control_full_ns(struct prl_control *control);
enum { PRL_CONTROL_PATIENCE_NS = 100000000 };

/* The container has ended: hear all who connected and spoke until now. */
void prl_control_hear(struct prl_control *control, struct prl_child *child);
/* Nobody connects any more, and the socket's file is gone: before the container is recorded. */
void prl_control_retire(struct prl_control *control);
/* After that: tell all who wait, as far as they listen.  status NULL: it is not known; error:
 * what failed, for the starter; errnum 0: nothing did. */
void prl_control_end(struct prl_control *control, const struct prl_status *status,
                     const struct prl_error *error);
