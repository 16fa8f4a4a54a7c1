/* scope.h: a scope of systemd's around this launch; see scope.c. */
#pragma once

#include "cli/options.h"

/* Execute this launcher again in a delegated scope, where limits are asked for (by options, or
 * by spec when it is not NULL) whose controllers nobody delegated to us, and a manager is
 * there. Returns when it would not help; on success it does not return. */
void prl_scope_enter(const struct prl_options *options, const struct prl_spec *spec,
                     char **argv);
