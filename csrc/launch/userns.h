/* userns.h: the one process of a launch that is born in another user namespace.
 * In: what is to be cloned, a holder or a shared network.  Out: the child, its maps written; or
 * nothing of it.
 * Never: the launcher itself in the holder's namespace. */
#pragma once

#include "launch/steps/exports.h"

/* Clone fn(s) as `how` says, in a user namespace below the holder's, or in the user and network
 * namespace of the container whose network is shared.  -errno: nothing is left of the attempt,
 * and s is as if there were no holder. */
int prl_launch_joined(struct prl_setup *s, const struct prl_sys_clone *how, int (*fn)(void *),
                      struct prl_child *child);
/* Clone fn(s) in a user namespace and a namespace of process ids below those of box->zygote_fd.
 */
int prl_launch_below(struct prl_setup *s, const struct prl_sys_clone *how, int (*fn)(void *),
                     struct prl_child *child, struct prl_error *reterr);
