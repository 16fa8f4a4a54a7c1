/* python.h: from the launcher to the Python side.
 * In: the untouched argv.  Out: this process becomes Python, or an error says what was looked
 * for. Never: a shell, `env`, a script's first line; reading anything of the package. */
#pragma once

#include "prl.h"

/* Execute the package `pyrootless` with argv[1] and what follows, in isolated mode (-I), and
 * with PYROOTLESS_LAUNCHER in the environment: the path of this launcher, to be executed again
 * when something was prepared.  Does not return on success. */
int prl_python_exec(int argc, char **argv, struct prl_error *reterr);
