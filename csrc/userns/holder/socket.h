/* socket.h: where a holder listens.
 * In: its directory and name.  Out: an address, a connection.  Never: a wait. */
#pragma once

#include <sys/un.h>

/* A connection to a living holder, or -errno: -ECONNREFUSED where it has died. */
int prl_holder_connect(int dir_fd, const char *name);
