/* mounts.h: the mounts of a container that has ended, off the caller's time.  See
 * mounts.c. */
#pragma once

#include "prl.h"

/* Keep the mount namespace of a container that was just launched; prl_child_close leaves it.
 * Nothing happens where the kernel cannot hand it out (before Linux 6.11). */
void prl_mounts_hold(struct prl_child *child);
/* At most PRL_MOUNTS_LEFT descriptors, which become -1; those that are -1 already are none. */
enum { PRL_MOUNTS_LEFT = 2 };
void prl_mounts_leave(int *fds, size_t len);
