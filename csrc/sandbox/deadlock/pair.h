/* pair.h: two boxes that talk to each other through pipes; see pair.c.
 * In, out, never: as there. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PRL_PAIR_ENDED, PRL_PAIR_OTHER, PRL_PAIR_SIDES };

struct prl_sandbox_pair;

struct prl_sandbox_pair *prl_sandbox_pair_new(void); /* NULL: no memory, no descriptor */
void prl_sandbox_pair_free(struct prl_sandbox_pair *pair);
/* Not one thread of this side's box ran from then to then, and each waits without an end;
 * from > to: that is not known.  true: the box is to be ended. */
bool prl_sandbox_pair_still(struct prl_sandbox_pair *pair, unsigned side, uint64_t from_ns,
                            uint64_t to_ns);
/* The box of PRL_PAIR_ENDED is gone, and its ends of the pipes are still open.  Blocks until
 * the other side waits for it, which it can do for ever then, or waits for something else for
 * ever, or has left.  true: it waits for it. */
bool prl_sandbox_pair_ask(struct prl_sandbox_pair *pair);
/* Of PRL_PAIR_OTHER's monitor: readable once when it is asked; -1: this side never is. */
int prl_sandbox_pair_bell(const struct prl_sandbox_pair *pair, unsigned side);
bool prl_sandbox_pair_asked(struct prl_sandbox_pair *pair, unsigned side);
void prl_sandbox_pair_answer(struct prl_sandbox_pair *pair, bool waits);
/* This side's box is gone and its ends of the pipes are closed. */
void prl_sandbox_pair_leave(struct prl_sandbox_pair *pair, unsigned side);
