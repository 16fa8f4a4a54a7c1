/* socket.h: the control socket of one container, RUNTIME/control/ID.
 * In: the engine's directories, an id.  Out: a descriptor that listens, or that is connected.
 * Never: a peer of another user's; an address longer than the kernel takes. */
#pragma once

#include "container/state/record.h"

/* Only its owner may connect. */
int prl_control_listen(const struct prl_dirs *dirs, const char *id, struct prl_error *reterr);
/* -ENOENT, -ECONNREFUSED: nobody listens. */
int prl_control_connect(const struct prl_dirs *dirs, const char *id);
/* Who connected next; -EAGAIN: nobody; -EPERM: a stranger did, and was turned away. */
int prl_control_accept(int listen_fd);
