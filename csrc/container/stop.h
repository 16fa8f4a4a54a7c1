/* stop.h: the end of a running container, asked for from outside.
 * In: a name or id.  Out: it has ended and is recorded, or has the signal.
 * Never: a signal to a process that only has the number of a container's; a wait for a signal
 * that the kernel dropped. */
#pragma once

#include "container/state/record.h"

enum { PRL_STOP_FOREVER = -1, PRL_STOP_OWN = -2 };

struct prl_stop {
    int signal;  /* 0: its own stop signal */
    int seconds; /* before it is killed; PRL_STOP_FOREVER; PRL_STOP_OWN: its own */
};

/* One that does not run is a success.  A restart policy ends with it, until it is started.
 * Errors: PRL_STAGE_STATE; ESRCH: there is none; ETIME: it does not end on SIGKILL. */
int prl_container_stop(const struct prl_dirs *dirs, const char *text,
                       const struct prl_stop *how, struct prl_error *reterr);
/* A signal to its first process; one that would stop it ends its restart policy too. */
int prl_container_kill(const struct prl_dirs *dirs, const char *text, int signal,
                       struct prl_error *reterr);
