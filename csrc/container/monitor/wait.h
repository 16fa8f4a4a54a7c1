/* wait.h: the parent's side of a running container.
 * In: a prl_child, the terminal or relayed streams.  Out: prl_status.
 * Never: set-up, files of the store. */
#pragma once

#include "prl.h"

#include <signal.h>

/* Output that is kept. */
struct prl_capture {
    char *bytes; /* malloc'd; the caller's to free */
    size_t len, size;
    bool lost; /* there was no memory for all of it */
};

struct prl_outlet;
struct prl_relay {
    int from, to;              /* bytes go from → to; -1 (or from == to): unused */
    struct prl_capture *into;  /* NULL, or where they go instead of `to`; or */
    struct prl_outlet *outlet; /* NULL, or the same: a stream of control.h */
};

enum { PRL_RELAY_STDIN, PRL_RELAY_STDOUT, PRL_RELAY_STDERR, PRL_RELAYS };

struct prl_control;
struct prl_monitor_options {
    uint64_t wall_limit_ns; /* 0: none */
    bool forward_signals;   /* catchable signals of this process go to the container; only for a
                               process of one thread (the launcher) */
    /* Streams that must not be lent to the container (terminals).  The container's side
     * (relays[0].to, relays[1].from, relays[2].from) is handed over and closed here, also on
     * failure; the caller keeps the other side. */
    struct prl_relay relays[PRL_RELAYS];
    struct prl_control *control; /* NULL: nobody speaks to this monitor but its process */
};

/* Block, relay, forward; return when the container is gone and relayed output is drained.  The
 * third SIGINT or SIGTERM of an impatient user kills the container.  The signal state of the
 * process is the same afterwards. */
int prl_monitor_run(struct prl_child *child, const struct prl_monitor_options *options,
                    struct prl_status *ret, struct prl_error *reterr);
/* The signals that forward_signals watches; what is ignored among them is not forwarded. */
void prl_monitor_catchable(sigset_t *ret);
/* The same without those that are ignored now. */
void prl_monitor_signals(sigset_t *ret);

/* Send a signal to process 1 of a container, whoever started it.  pidfd keeps it from reaching
 * somebody else; -1: pid is a child of ours.  Returns 1 when the kernel dropped the signal (the
 * process has no handler, and does not wait for it), 0 when it was delivered. */
int prl_first_signal(pid_t pid, int pidfd, int signal, struct prl_error *reterr);
