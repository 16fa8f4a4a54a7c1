/* exec.h: the spec of a program that joins a running container.  See exec.c. */
#pragma once

#include "config/merge.h"

/* The spec of a running container, which becomes that of the program that `exec` starts in it.
 */
int prl_config_exec(struct prl_spec *spec, const struct prl_options *options,
                    const struct prl_config_facts *facts, struct prl_error *reterr);
