/* leaf.h: the end of a container's control group.
 * In: its directory.  Out: it is gone.  Never: a directory whose name is not
 * pyrootless-ID. */
#pragma once

/* Kills what is left in it (version 2) and removes it with its box.  0: gone; -errno. */
int prl_leaf_remove(const char *path);
