/* freeze.h: the processes of a control group stand still, and go on.
 * In: a group's directory.  Out: frozen, or not.  Never: a signal, which a program could see.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* Can this group be frozen?  Version 1: only in the hierarchy of the freezer. */
bool prl_freeze_is_possible(const char *path);
/* Returns when they stand still, or go on.  -errno; -ENOENT: this group cannot be frozen. */
int prl_freeze_set(const char *path, bool frozen);
/* A new group for a container that has none: its directory in path.  -errno; -EOPNOTSUPP:
 * nothing is delegated to this user in which processes could be frozen. */
int prl_freeze_make(const char *id, char path[PATH_MAX]);
/* One more process of this user's, with all its threads. */
int prl_freeze_move(const char *path, int pid);
