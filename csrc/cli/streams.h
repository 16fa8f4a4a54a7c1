/* streams.h: which standard streams the container is lent, and which are relayed.  See
 * streams.c. */
#pragma once

#include "container/monitor/exports.h"

/* Of a pipe of ours: the program's user may open it anew.  It has no name but below the /proc
 * of the processes that have it, where the kernel asks for more. */
enum { PRL_PIPE_MODE = 0666 };

struct prl_streams {
    struct prl_stdio lent;               /* for prl_launch */
    struct prl_relay relays[PRL_RELAYS]; /* for prl_monitor_run */
};

/* At the very begin of the launcher: none of 0, 1 and 2 is free. */
int prl_streams_fill(struct prl_error *reterr);
/* 0, 1, 2 of this process become /dev/null: whoever waits for their end must not wait for us.
 */
void prl_streams_leave(void);
/* What is `apart` has /dev/null at the container's end. */
int prl_streams_open(const struct prl_spec *spec, const bool apart[3], struct prl_streams *ret,
                     struct prl_error *reterr);
/* The caller's own, for a container in the background; none of them is a terminal. */
int prl_streams_take(bool interactive, struct prl_stdio *ret, struct prl_error *reterr);
/* After the launch: the container has its copies. */
void prl_streams_lent(struct prl_streams *streams);
/* After a failed launch: nobody will relay. */
void prl_streams_close(struct prl_streams *streams);
