/* whiteout.h: what a layer takes away from those below it.
 * In: a place.  Out: an overlay whiteout or an opaque directory there.
 * Never: anything of this same layer removed: a whiteout speaks of lower layers alone. */
#pragma once

#include "unpack/tree.h"

/* The name is a whiteout, of either form. */
bool prl_unpack_whiteout_is(const struct prl_unpack_place *place);
/* Hide the name in lower layers. If this layer has a directory of that name, the directory
 * becomes opaque; anything else of that name hides it already. */
int prl_unpack_whiteout_make(struct prl_unpack_tree *tree,
                             const struct prl_unpack_place *place);
/* The directory open at fd shows nothing of lower layers. */
int prl_unpack_whiteout_opaque(int fd);
/* mkdir 0700; over a whiteout the directory is opaque.  0: made; 1: it was there; -errno. */
int prl_unpack_whiteout_mkdir(const struct prl_unpack_place *place);
