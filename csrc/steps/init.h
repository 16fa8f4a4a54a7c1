/* init.h: see init.c. */
#pragma once

#include "base/sys.h"

/* A close-on-exec descriptor of the init's sealed memory file, or -errno. */
int prl_init_open(struct prl_error *reterr);
