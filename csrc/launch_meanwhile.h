/* launch_meanwhile.h: a launch beside work of the caller's.
 * In: a spec, what is to be done.  Out: a running container, for which it was done.  Never: a
 * program that starts without it. */
#pragma once

#include "prl.h"

/* Each: 0, or -errno with the record filled, and the launch fails so.  They may share errno
 * with the child, which runs at the same time. */
struct prl_meanwhile {
    int (*files)(void *data, struct prl_error *reterr); /* what the child binds */
    int (*check)(void *data, struct prl_error *reterr); /* that it may start */
    void *data;
};

/* As prl_launch.  `files` are done before the child opens what it binds, and `check` before it
 * executes its program; both before the launch, where that is to be served. */
int prl_launch_meanwhile(const struct prl_spec *spec, const struct prl_stdio *stdio,
                         const struct prl_meanwhile *meanwhile, struct prl_child *ret,
                         struct prl_error *reterr);
