/* ready.h: namespaces made ahead, for the holder that has them made.
 * In: its directory, its ids.  Out: a process of its own that makes them.  Never: longer than
 * the holder lives. */
#pragma once

#include "holder/holder.h"

/* Called as root of the holder's namespace, before its capabilities go.  The process, a child;
 * it ends by itself where no pairs can be made.  0: nothing to make; -errno. */
int prl_holder_keep_ready(int dir_fd, const struct prl_holder_key *key);
