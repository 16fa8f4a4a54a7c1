/* setup.h: what the parent gets ready for the child.  See setup.c. */
#pragma once

#include "launch/steps/exports.h"

struct prl_arena;
struct sock_filter;

/* Fill *ret; strings live in arena, descriptors (init_fd, holder_fd) belong to the caller. */
int prl_prepare(const struct prl_spec *spec, struct prl_arena *arena, struct prl_setup *ret,
                struct prl_error *reterr);
/* Candidate paths of the program, NULL-terminated: execvp's search. */
int prl_prepare_programs(const struct prl_process *process, struct prl_arena *arena,
                         const char ***ret, struct prl_error *reterr);
/* barrier.c: the set-up stops at the start barrier.  -EOPNOTSUPP: what the start barrier does
 * itself is not surely allowed by the container's own filter, or not known to this kernel. */
int prl_prepare_barrier(struct prl_setup *s, struct prl_error *reterr);
/* A call with one argument that is always the same, or (known < 0) with none. */
struct prl_barrier_call {
    char name[12];
    uint32_t number;
    int known; /* its index */
    uint32_t value;
};
/* A compiled filter allows this call of this machine, whatever its other arguments are. */
bool prl_barrier_filter_allows(const struct sock_filter *filter, size_t len,
                               const struct prl_barrier_call *call);
/* The same for a program that joins `target`. */
int prl_prepare_join(const struct prl_spec *spec, const struct prl_joinable *target,
                     struct prl_arena *arena, struct prl_setup *ret, struct prl_error *reterr);
/* For a box below a zygote: its maps, as that one's user namespace has the ids. */
int prl_prepare_below(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr);
/* sources.c: where the child keeps the sources of binds; what it demands of those that
 * the caller lent, and the masks that they need. */
int prl_prepare_sources(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr);
/* limits.c: what of the limits the child applies to itself. */
int prl_prepare_limits(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr);
/* holder.c: write the maps in a holder's namespace, if there is one … */
int prl_prepare_holder(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr);
/* … or have newuidmap write them after all. */
void prl_setup_alone(struct prl_setup *s);
