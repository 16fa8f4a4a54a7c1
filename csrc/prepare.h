/* prepare.h: what the parent gets ready for the child.  See prepare.c. */
#pragma once

#include "steps/steps.h"

struct prl_arena;

/* Fill *ret; strings live in arena, descriptors (init_fd) belong to the caller. */
int prl_prepare(const struct prl_spec *spec, struct prl_arena *arena, struct prl_setup *ret,
                struct prl_error *reterr);
/* prepare_limits.c: what of the limits the child applies to itself. */
int prl_prepare_limits(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr);
