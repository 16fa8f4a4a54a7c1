/* launch_meanwhile.h: a launch beside work of the caller's.
 * In: a spec, what is to be done.  Out: a running container, for which it was done.  Never: a
 * program that starts without it. */
#pragma once

#include "prl.h"

/* run: 0, or -errno with the record filled, and the launch fails so.  It may share errno with
 * the child, which runs at the same time. */
struct prl_meanwhile {
    int (*run)(void *data, struct prl_error *reterr);
    void *data;
};

/* As prl_launch.  It is done before the child opens what it binds; before the launch, where
 * that is to be served. */
int prl_launch_meanwhile(const struct prl_spec *spec, const struct prl_stdio *stdio,
                         const struct prl_meanwhile *meanwhile, struct prl_child *ret,
                         struct prl_error *reterr);
