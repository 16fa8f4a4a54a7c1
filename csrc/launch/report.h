/* report.h: what the parent hears of its child until that executes its program.
 * In: a set-up, a child.  Out: hand-overs served, the report.  Never: a step of the set-up.
 * start.c lists the hand-overs. */
#pragma once

#include "launch/steps/exports.h"

enum { PRL_STACK_BYTES = 256 * 1024 };

struct prl_channels {
    int report[2];  /* a pipe */
    int service[2]; /* a socket pair; -1 when nothing is handed over */
    int outcome;    /* the child's end of a sandbox's pipe; -1 */
};
#define PRL_CHANNELS_NONE                                                                      \
    (struct prl_channels)                                                                      \
    {                                                                                          \
        .report = {-1, -1}, .service = {-1, -1}, .outcome = -1                                 \
    }

/* Fills the child's ends into the set-up too. */
int prl_channels_open(struct prl_setup *s, struct prl_channels *ret, struct prl_error *reterr);
void prl_channels_close(struct prl_channels *channels);
/* Serve the child until it executes its program or is gone; then what it reported. */
int prl_channels_follow(struct prl_setup *s, struct prl_channels *channels,
                        struct prl_child *child, struct prl_error *reterr);
/* The child's stack, with a page below it that stops an overflow; NULL: no memory. */
void *prl_stack_map(void);
void prl_stack_unmap(void *stack);
/* start.c: the last steps, the same for every program in a container: privileges go, exec.
 * Returns only on failure. */
int prl_launch_end(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
