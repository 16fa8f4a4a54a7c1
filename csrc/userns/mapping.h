/* mapping.h: writing the maps of a new user namespace from its parent's side.
 * In: rows, a process in the new namespace that waits.  Out: both maps written.  Never: a guess
 * at which ids the user may have: the kernel and newuidmap(1) decide.
 *
 * Source: user_namespaces(7), newuidmap(1), newgidmap(1). */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct prl_mapping {
    const struct prl_idmap *uids, *gids;
    size_t uids_len, gids_len;
};

/* The caller's own id and nothing else: what an unprivileged process may write itself. */
bool prl_mapping_is_own(const struct prl_idmap *rows, size_t len, uint32_t own);
/* What an id of ours is called inside, and one of the inside out here; false: the map has it
 * not. */
bool prl_mapping_inside(const struct prl_idmap *rows, size_t len, uint32_t host, uint32_t *ret);
bool prl_mapping_outside(const struct prl_idmap *rows, size_t len, uint32_t id, uint32_t *ret);
/* Whether maps of many ids can be written here at all. */
bool prl_mapping_is_possible(void);
/* The process must be our child's, or our own parent's, in a namespace below ours. */
int prl_mapping_write(pid_t pid, const struct prl_mapping *maps, struct prl_error *reterr);
/* Move this process, which has one thread, into new namespaces (CLONE_NEWUSER and others) with
 * these maps, while a child stays behind to write them. */
int prl_mapping_enter(int namespaces, const struct prl_mapping *maps, struct prl_error *reterr);
