/* births.h: files about to be made by claimed users; see births.c.
 * In: calls.  Out: claims.  Never: more than PRL_BIRTHS_MAX at a time. */
#pragma once

#include "fakeroot/supervisor.h"

/* Claim what was announced and is there; `caller` is about to be answered (0: nobody). */
void prl_births_settle(struct prl_fake *fake, pid_t caller);
