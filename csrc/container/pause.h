/* pause.h: a container that stands still, and goes on.
 * In: a name or id.  Out: no process of it runs, and none can know; or they run again.
 * Never: SIGSTOP: its parent sees it, a neighbour undoes it, and who is born meanwhile goes on.
 */
#pragma once

#include "container/state/record.h"

/* Errors: PRL_STAGE_STATE; ESRCH: there is none, or it does not run; EALREADY: it is so
 * already; ENODEV: it has no control group that can be frozen, and gets none. */
int prl_container_pause(const struct prl_dirs *dirs, const char *text,
                        struct prl_error *reterr);
int prl_container_unpause(const struct prl_dirs *dirs, const char *text,
                          struct prl_error *reterr);
