/* join.h: one more program in a running container.  See join.c. */
#pragma once

#include "prl.h"

/* spec is the container's own, with another process.  The result is a child as that of
 * prl_launch, but its end does not end the container. */
int prl_join(const struct prl_spec *spec, const struct prl_joinable *target,
             const struct prl_stdio *stdio, struct prl_child *ret, struct prl_error *reterr);
