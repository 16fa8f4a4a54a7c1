/* await.h: the end of a container that another process watches.
 * In: a name or id.  Out: how it ended.  Never: a signal; a tick. */
#pragma once

#include "container/state/record.h"

/* Blocks until it has ended and is recorded, or answers at once when it has.  Errors:
 * PRL_STAGE_STATE, ESRCH: there is none; ENODATA: it was to be removed, and nobody can tell any
 * more. */
int prl_container_wait(const struct prl_dirs *dirs, const char *text, struct prl_status *ret,
                       struct prl_error *reterr);
