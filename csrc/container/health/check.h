/* check.h: whether a running container is well: a program started in it from time to time.
 * In: its settings, the time, descriptors that poll found ready.  Out: a status, the last
 * results in `health.json`, an event when the status changes.
 * Never: a wait for the program; more than one at a time; output without a bound. */
#pragma once

#include "container/events/journal.h"
#include "container/monitor/exec.h"

#include <poll.h>

enum {
    PRL_HEALTH_RESULTS = 5,
    PRL_HEALTH_OUTPUT_BYTES = 4096,
    PRL_HEALTH_FDS = 2,
};

enum prl_health_status { PRL_HEALTH_STARTING, PRL_HEALTH_HEALTHY, PRL_HEALTH_UNHEALTHY };

struct prl_health_result {
    int64_t start_ns, end_ns; /* since 1970 */
    int exit_code;            /* -1: it took too long, or could not be started */
    char *output;             /* malloc'd; NULL: none */
};

struct prl_health_check {
    const struct prl_dirs *dirs;
    const char *id, *attributes; /* the caller's: for the program and the events */
    int dir_fd;                  /* the container's directory */
    struct prl_health settings;
    char *words; /* malloc'd: what is started; NULL: nothing is checked */
    size_t words_len;
    enum prl_health_status status;
    unsigned failing;           /* so many failed one after the other */
    uint64_t start_ns, next_ns; /* of the container; of the next check: CLOCK_MONOTONIC */
    struct prl_execution execution;
    uint64_t begin_ns, deadline_ns; /* of the running one */
    int64_t begin_unix_ns;
    int output_fd; /* what it says; -1: nothing runs, or it said all */
    char *output;  /* malloc'd */
    size_t output_len;
    bool too_long;
    struct prl_health_result results[PRL_HEALTH_RESULTS]; /* the oldest first */
    unsigned results_len;
};

/* Nothing is checked. */
#define PRL_HEALTH_NONE ((struct prl_health_check){.output_fd = -1, .execution.pidfd = -1})

/* settings->test NULL, "[]" or "[\"NONE\"]": nothing is checked.  The strings of the settings
 * are not needed afterwards. */
void prl_health_open(struct prl_health_check *check, const struct prl_health *settings);
/* The container runs from now on. */
void prl_health_begin(struct prl_health_check *check);
void prl_health_poll(const struct prl_health_check *check, struct pollfd fds[PRL_HEALTH_FDS]);
/* What poll found, and what is due now. */
void prl_health_step(struct prl_health_check *check, const struct pollfd fds[PRL_HEALTH_FDS]);
/* How long until something is due; UINT64_MAX: nothing ever. */
uint64_t prl_health_due_ns(const struct prl_health_check *check);
/* The container has ended, and with it what runs. */
void prl_health_end(struct prl_health_check *check);
