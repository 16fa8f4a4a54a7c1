/* sealed.h: this program from a copy that nobody can write.  See sealed.c. */
#pragma once

#include "prl.h"

/* Returns 0 in the copy; the original does not return but on failure. */
int prl_exec_sealed(char **argv, struct prl_error *reterr);
