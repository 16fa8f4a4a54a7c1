/* child.h: the end of one child, shared by the monitor's files.
 * In: a prl_child.  Out: prl_status.  Never: a loop, a stream. */
#pragma once

#include "container/monitor/disposition.h"
#include "prl.h"

/* Reap.  flags: 0 waits, WNOHANG does not.  timed_out: a SIGKILL was sent for the wall limit.
 * Returns 1 with *ret filled, 0 when it still runs. */
int prl_child_reap(struct prl_child *child, int flags, bool timed_out, struct prl_status *ret,
                   struct prl_error *reterr);
/* SIGKILL without remembering why; errors mean it is gone already. */
void prl_child_kill(const struct prl_child *child);
/* After a terminating signal was sent to process 1: did the kernel drop it?  before: what
 * prl_disposition_take showed just before it was sent. */
bool prl_first_dropped(pid_t pid, int signal, const struct prl_disposition *before);
