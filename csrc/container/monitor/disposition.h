/* disposition.h: what the kernel shows about a process and one signal.
 * In: a pid that is not reaped, a signal.  Out: a prl_disposition.
 * Never: a judgement, a change of the process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* All fields are zero when nothing could be read: unknown. */
struct prl_disposition {
    bool busy;      /* on a processor, or in a call that no signal interrupts: may be in exec */
    bool caught;    /* a handler is there, and the signal is not blocked */
    bool defaults;  /* its default action is, it is neither blocked nor pending */
    bool pending;   /* sent, not yet taken */
    bool sigwait;   /* it sleeps in sigwait(3): what it waits for looks unblocked */
    uint64_t image; /* another after an exec; 0: not shown */
    uint64_t runs;  /* another when it ran in between */
};

void prl_disposition_take(pid_t pid, int signal, struct prl_disposition *ret);
