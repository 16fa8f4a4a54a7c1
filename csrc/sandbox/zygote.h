/* zygote.h: an interpreter that waits, and its copies in boxes; see zygote.c.
 * In, out, never: as there. */
#pragma once

#include "sandbox/run.h"

struct prl_sandbox_watch;

/* The interpreter takes orders (sandbox/zygote/orders.h) on descriptor 0; stdio[1] and [2] of
 * `want` are lent.  Until it answers, wait_ms at most: -ETIMEDOUT, or -ECHILD when it ended.
 * The calling thread must outlive it. */
int prl_zygote_start(const struct prl_sandbox *want, int wait_ms, struct prl_zygote **ret,
                     struct prl_error *reterr);
int prl_zygote_pidfd(const struct prl_zygote *z);
/* After all its boxes were freed: it cannot end before they are reaped.  Safe on NULL. */
void prl_zygote_free(struct prl_zygote *z);
/* The program of a launched box, which waits for prl_child_go. */
int prl_zygote_bring(struct prl_zygote *z, struct prl_sandbox_watch *w,
                     struct prl_error *reterr);
