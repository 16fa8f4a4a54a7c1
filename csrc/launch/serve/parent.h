/* parent.h: the parent's part in the set-up of its child: what needs rights or helpers that the
 * child lacks.
 * In: a spec, the child, what it handed over.  Out: the work done, or -errno with its record.
 * Never: a look at the child's memory; work that was not asked for. */
#pragma once

#include "prl.h"

struct prl_setup;

/* verify.c: trace the child, from before its set-up … */
int prl_serve_watch(const struct prl_spec *spec, pid_t pid, struct prl_error *reterr);
/* … and read back what it may, between its exec and its first instruction. */
int prl_serve_verify(const struct prl_setup *s, pid_t pid, struct prl_error *reterr);

/* fuse.c: start the server of a FUSE root; fuse_fd is the mount's.  Fills child->helper
 * and setup->complaint_fd. */
int prl_serve_fuse(struct prl_setup *setup, struct prl_child *child, int fuse_fd,
                   struct prl_error *reterr);
/* The server has ended: when it is to blame, *reterr says why in its own words. */
void prl_serve_fuse_complaint(int complaint_fd, struct prl_error *reterr);
/* network.c: pasta or slirp4netns at work on the child's network namespace, which is
 * handed over as netns_fd and closed.  Fills child->network; returns when the network is there.
 */
int prl_serve_network(struct prl_setup *setup, struct prl_child *child, int netns_fd,
                      struct prl_error *reterr);
/* tap.c: setup->tap_fd with a filter on it, as *ret_fd. */
int prl_serve_tap(struct prl_setup *setup, int *ret_fd, struct prl_error *reterr);
/* egress.c: the egress filter between setup->tap_fd, which is closed, and the helper,
 * whose socket *ret_socket becomes.  Fills child->egress. */
int prl_serve_egress(struct prl_setup *setup, struct prl_child *child, int *ret_socket,
                     struct prl_error *reterr);
/* ports.c: are all ports that are to be published free, and ours to take? */
int prl_serve_ports_check(const struct prl_network *network, struct prl_error *reterr);
/* slirp.c: tell a slirp4netns that listens at `socket_path` which ports to publish. */
int prl_serve_slirp_ports(const struct prl_network *network, const char *socket_path,
                          struct prl_error *reterr);
/* fakeroot.c: the supervisor for the listener, as child->supervisor. */
int prl_serve_fakeroot(const struct prl_setup *setup, struct prl_child *child, int listener_fd,
                       struct prl_error *reterr);
