/* sides.h: the two processes of an attached container, for session.c alone.
 * In, out: records (container/monitor/record.h) on the socket between them.  Never: an answer
 * that is waited for, but the first: ATTACHED when the program runs, or FAILED. */
#pragma once

#include "cli/attach/keys.h"
#include "cli/attach/session.h"

#include <signal.h>

/* Nothing was started, or it failed: what is to be done about that. */
void prl_attach_fail(const struct prl_attach_options *options, void *data,
                     const struct prl_error *error);
/* The monitor's whole life. */
void prl_attach_monitor(const struct prl_attach_options *options, prl_attach_start_fn start,
                        void *data, int socket_fd);
/* The front's whole life, signals blocked; results as prl_attach_run.  starter: it is the
 * process that started the container.  *ret_signal: what it should end of; 0: nothing. */
struct prl_attach_front {
    const struct prl_attach_options *options;
    struct prl_attach_keys *keys;
    int socket_fd;
    bool starter;
    int *ret_signal;
};
int prl_attach_front(const struct prl_attach_front *how, struct prl_status *ret,
                     struct prl_error *reterr);
/* The signals that wait for the front: what goes to the container, and SIGWINCH. */
void prl_attach_signals(sigset_t *ret);
