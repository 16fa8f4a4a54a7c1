/* update.h: another form of a container's configuration, while it runs or not.
 * In: a name or id, who changes its spec.  Out: config.json, and the limits of one that runs.
 * Never: an option; a limit written down that does not hold. */
#pragma once

#include "container/state/record.h"

/* asked is the caller's; the spec is that of config.json, read and checked. */
typedef int (*prl_update_fn)(struct prl_spec *spec, const void *asked,
                             struct prl_error *reterr);

/* Errors: PRL_STAGE_STATE; ESRCH: there is none.  PRL_STAGE_LIMITS, EOPNOTSUPP: it runs, and
 * nothing that could be changed from outside holds this limit. */
int prl_container_update(const struct prl_dirs *dirs, const char *text, prl_update_fn change,
                         const void *asked, struct prl_error *reterr);
