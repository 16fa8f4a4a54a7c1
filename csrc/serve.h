/* serve.h: the parent's part in the set-up of its child: what needs rights or helpers that the
 * child has not.
 * In: a spec, the child, what it handed over.  Out: the work done, or -errno with its record.
 * Never: a look at the child's memory; work that was not asked for. */
#pragma once

#include "prl.h"

/* serve_idmap.c: newuidmap and newgidmap for the child's new user namespace. */
int prl_serve_idmap(const struct prl_spec *spec, pid_t pid, struct prl_error *reterr);
