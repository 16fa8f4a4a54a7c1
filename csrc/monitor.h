/* monitor.h: the parent's side of a running container.
 * In: a prl_child, the terminal or relayed streams.  Out: prl_status.
 * Never: set-up, files of the store. */
#pragma once

#include "prl.h"

struct prl_relay {
    int from, to; /* bytes go from → to; -1: unused */
};

struct prl_monitor_options {
    uint64_t wall_limit_ns;     /* 0: none */
    bool forward_signals;       /* catchable signals of this process go to the container */
    struct prl_relay relays[3]; /* streams that must not be lent to the container (terminals) */
};

/* Block, relay, forward; return when the container is gone and relayed output is drained. */
int prl_monitor_run(struct prl_child *child, const struct prl_monitor_options *options,
                    struct prl_status *ret, struct prl_error *reterr);
