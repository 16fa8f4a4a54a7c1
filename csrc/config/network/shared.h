/* shared.h: the running container whose network another one shares.
 * In: its name.  Out: its namespaces by descriptors, what it was started with.  Never: a change
 * to it.  See shared.c. */
#pragma once

#include "container/state/record.h"

struct prl_shared_network {
    struct prl_running running;
    struct prl_spec *spec;
    char userns[16];      /* the kind of its map, as in --userns */
    char *hosts, *resolv; /* the engine's own files of it; NULL: it has none */
};

/* *ret is malloc'd.  Refused: one that shares the host's network itself. */
int prl_shared_network_find(const struct prl_dirs *dirs, const char *text,
                            struct prl_shared_network **ret, struct prl_error *reterr);
/* Does a launch fit into its user namespace? */
int prl_shared_network_check(const struct prl_shared_network *shared_network,
                             const struct prl_spec *spec, struct prl_error *reterr);
void prl_shared_network_free(struct prl_shared_network *shared_network); /* NULL is allowed */
