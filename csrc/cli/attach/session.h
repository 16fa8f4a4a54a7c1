/* session.h: a container with a monitor of its own, and the terminal of who watches it.
 * In: what starts the container, what cleans up after it; or the control socket of one that
 * runs.  Out: prl_status, or "it goes on".
 * Never: a terminal left in raw mode (unless this process is ended by SIGKILL).
 *
 * Two processes: the caller is the front (the user's terminal), its child is the monitor (own
 * session, owns the container).  A front that started a container and dies takes it along; one
 * that detaches leaves it to the monitor, and so does one that came later (prl_attach_join). */
#pragma once

#include "prl.h"

struct prl_dirs;

enum { PRL_ATTACH_DETACHED = 1 };

/* start: launch with these streams, or with process.terminal; runs in the monitor, on its copy
 * of the caller's data.
 * finish: the container ended; status is NULL when it never started.  Runs once, in the
 * monitor, or in the caller when there was no monitor yet (bad options).  A monitor that is
 * killed cannot run it: that is for the next sweep. */
typedef int (*prl_attach_start_fn)(void *data, const struct prl_stdio *stdio,
                                   struct prl_child *ret, struct prl_error *reterr);
typedef int (*prl_attach_fail_fn)(void *data, const struct prl_error *error,
                                  struct prl_error *reterr);
typedef int (*prl_attach_finish_fn)(void *data, const struct prl_status *status,
                                    struct prl_error *reterr);

/* It ended, and whoever keeps it starts it again?  1: after *ret_pause_ns, and its end is
 * recorded. Then start is called once more.  data is the keeper's from the first start on. */
typedef int (*prl_attach_again_fn)(void *data, const struct prl_status *status,
                                   uint64_t *ret_pause_ns);

struct prl_attach_options {
    bool interactive;            /* -i: the caller's input goes to the container */
    bool terminal;               /* the container has one; else two pipes or three */
    bool background;             /* nobody watches: return when the program runs */
    bool leaves;                 /* its front may end: it goes on, and has a log */
    bool deaf;                   /* nothing that is typed goes to the container */
    bool no_signals;             /* those of the front are not the container's */
    const char *detach_keys;     /* "ctrl-a,x"; NULL: ctrl-p,ctrl-q; "": none */
    const char *name;            /* how the user calls the container; shown when it is left */
    uint64_t wall_limit_ns;      /* 0: none */
    prl_attach_finish_fn finish; /* NULL: nothing to do */
    prl_attach_fail_fn fail;     /* it never began, in place of finish; NULL: finish */
    prl_attach_again_fn again;   /* NULL: never */
    const char *place;           /* with again: a file `stopped` in this directory ends it */
    const struct prl_dirs *dirs; /* NULL: without a control socket */
    const char *id;              /* of the container */
    int place_fd;                /* the directory its log is made in; with dirs alone */
    struct prl_log_settings log; /* where its output goes */
    const char *image;           /* for a log that says it; NULL: none */
    struct prl_health health;    /* how it is checked */
    const char *attributes; /* for events (container/events/journal.h); NULL: none are told */
};

/* 0: it ended, *ret is filled.  PRL_ATTACH_DETACHED: it goes on without us.  -errno: it did not
 * start, was lost, or could not be cleaned up (then *ret is filled as well). */
int prl_attach_run(const struct prl_attach_options *options, prl_attach_start_fn start,
                   void *data, struct prl_status *ret, struct prl_error *reterr);
/* A connection to the monitor of one that runs. */
int prl_attach_connect(const struct prl_dirs *dirs, const char *id, const char *name,
                       struct prl_error *reterr);
/* Watch one that runs, through its control socket, which is closed.  The same results. */
int prl_attach_join(const struct prl_attach_options *options, int control_fd,
                    struct prl_status *ret, struct prl_error *reterr);
