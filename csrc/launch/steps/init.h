/* init.h: see init.c. */
#pragma once

#include "base/sys.h"

/* A close-on-exec descriptor of a sealed memory file, or -errno: the small init, the start
 * barrier. */
int prl_init_open(struct prl_error *reterr);
int prl_barrier_open(struct prl_error *reterr);
