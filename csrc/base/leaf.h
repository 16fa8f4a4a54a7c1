/* leaf.h: a container's control group, made before there is a container, and its end.
 * In: its directory.  Out: it is there, or gone.  Never: a directory whose name is not
 * pyrootless-ID. */
#pragma once

/* The group and its box, empty, below base_fd. 0: made; -errno: perhaps only the group. */
int prl_leaf_make(int base_fd, const char *id);
/* Remove it if it is empty, the usual case; -errno: prl_leaf_remove must do it. */
int prl_leaf_drop(int base_fd, const char *id);

/* Kills what is left in it (version 2) and removes it with its box.  0: gone; -errno. */
int prl_leaf_remove(const char *path);
