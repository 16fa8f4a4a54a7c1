/* handover.h: what the child of a launch hands to its parent before it executes the program.
 * In: a SOCK_SEQPACKET pair, a kind, at most one descriptor.  Out: the same on the other side.
 * Never: a question whose answer changes what the child does; bytes beyond the kind, except a
 * descriptor's number.
 *
 * The kernel counts descriptors in flight per user, those of every container together, and
 * compares them with the sender's own soft limit of open files (unix(7), ETOOMANYREFS).  A
 * program in another container may have used it up.  Then the child raises its soft limit to
 * the hard one; if that is used up too and the parent answers, the parent fetches the
 * descriptor by its number. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

enum prl_handover {
    PRL_HANDOVER_MAPS = 'm',     /* "write my id maps" */
    PRL_HANDOVER_FUSE = 'f',     /* "serve this mount of mine" */
    PRL_HANDOVER_TERMINAL = 't', /* the pty's master */
    PRL_HANDOVER_LISTENER = 'l', /* of the fake root's filter */
    PRL_HANDOVER_TAP = 'i',      /* "my network interface, for the egress filter" */
    PRL_HANDOVER_NETWORK = 'n',  /* "connect this network namespace of mine" */
    PRL_HANDOVER_SCRATCH = 'u',  /* the upper of the overlay, O_PATH */
    PRL_HANDOVER_CLOCK = 'c',    /* of the tree's processor time */
    PRL_HANDOVER_ROOT = 'r',     /* "/" of the container, to put files in later */
    PRL_HANDOVER_WATCH = 'w',    /* "trace me" */
};

/* Child's side, whose limits must be its own.  fd -1: none.  wait: until the parent has
 * answered (EPIPE: it gave up).  The two share memory and errno, so in a launch that is served
 * they work strictly in turns. */
int prl_handover_send(int socket_fd, enum prl_handover kind, int fd, bool wait) PRL_CHILD_SAFE;
/* Child's side: wait for an answer alone. */
int prl_handover_wait(int socket_fd) PRL_CHILD_SAFE;
/* Parent's side; pidfd is the child's.  1: *ret_kind and *ret_fd (-1: none) are filled; 0: the
 * child executed its program or is gone; -errno. */
int prl_handover_receive(int socket_fd, int pidfd, char *ret_kind, int *ret_fd);
int prl_handover_answer(int socket_fd);
