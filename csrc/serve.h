/* serve.h: the parent's part in the set-up of its child: what needs rights or helpers that the
 * child has not.
 * In: a spec, the child, what it handed over.  Out: the work done, or -errno with its record.
 * Never: a look at the child's memory; work that was not asked for. */
#pragma once

#include "prl.h"

struct prl_setup;

/* serve_idmap.c: newuidmap and newgidmap for the child's new user namespace. */
int prl_serve_idmap(const struct prl_spec *spec, pid_t pid, struct prl_error *reterr);

/* serve_fuse.c: start the server of a FUSE root; fuse_fd is the mount's.  Fills child->helper
 * and setup->complaint_fd. */
int prl_serve_fuse(struct prl_setup *setup, struct prl_child *child, int fuse_fd,
                   struct prl_error *reterr);
/* The server has ended: when it is to blame, *reterr says why in its own words. */
void prl_serve_fuse_complaint(int complaint_fd, struct prl_error *reterr);
/* serve_fakeroot.c: the supervisor for the listener, as child->supervisor. */
int prl_serve_fakeroot(const struct prl_spec *spec, struct prl_child *child, int listener_fd,
                       struct prl_error *reterr);
