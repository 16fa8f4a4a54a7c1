/* boxed.h: the launch of a sandbox.
 * In: a spec with an init and a tmpfs for its upper, a box (launch/steps/box.h).  Out: a
 * running container, and the box's descriptors.  Never: a box that is half filled. */
#pragma once

#include "launch/steps/exports.h"
#include "prl.h"

/* As prl_launch; on failure the box's descriptors are still the caller's to close. */
int prl_launch_box(const struct prl_spec *spec, const struct prl_stdio *stdio,
                   struct prl_box *box, struct prl_child *ret, struct prl_error *reterr);
/* As prl_launch_held. */
int prl_launch_box_held(const struct prl_spec *spec, const struct prl_stdio *stdio,
                        struct prl_box *box, struct prl_child *ret, struct prl_error *reterr);
