/* attach_wire.h: what the front and the monitor of an attached container tell each other.
 * In, out: whole records on a SOCK_SEQPACKET pair; no answer is ever waited for.
 * Never: a record that is not listed here.
 *
 *   monitor → front:  STARTED (with the terminal)  |  FAILED (error)
 *                     ENDED (status)  |  FAILED (error)
 *                     FINISHED (error of the clean-up, or none), then end of file
 *   front → monitor:  SIGNAL (value), any number;  DETACH, the last one.
 *                     End of file without DETACH: the front died, the container is killed. */
#pragma once

#include "cli/attach.h"

#include <signal.h>

enum prl_attach_kind {
    PRL_ATTACH_STARTED = 1,
    PRL_ATTACH_FAILED,
    PRL_ATTACH_ENDED,
    PRL_ATTACH_FINISHED,
    PRL_ATTACH_SIGNAL,
    PRL_ATTACH_DETACH,
};

struct prl_attach_message {
    uint32_t kind; /* enum prl_attach_kind */
    int32_t value;
    struct prl_status status;
    struct prl_error error;
};

/* passed_fd: goes along; -1: none.  0 or -errno; a peer that is gone is -EPIPE, never a signal.
 */
int prl_attach_send(int socket_fd, const struct prl_attach_message *message, int passed_fd);
/* 1: a message (and *ret_fd, -1 when none came along); 0: the peer is gone; -errno. */
int prl_attach_receive(int socket_fd, struct prl_attach_message *ret, int *ret_fd);

/* The monitor's whole life; returns its exit code. */
int prl_attach_monitor(const struct prl_attach_options *options, prl_attach_start_fn start,
                       void *data, int socket_fd);

struct prl_attach_keys;
/* The front's whole life, signals blocked; results as prl_attach_run. */
int prl_attach_front(const struct prl_attach_options *options, struct prl_attach_keys *keys,
                     int socket_fd, struct prl_status *ret, struct prl_error *reterr);
/* The signals that wait for the front: what goes to the container, and SIGWINCH. */
void prl_attach_signals(sigset_t *ret);
