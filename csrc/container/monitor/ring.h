/* ring.h: what a container wrote last, kept for those who watch.
 * In: pieces of its output.  Out: the same in order, from any place that is still there.
 * Never: more memory than PRL_RING_BYTES; a wait. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRL_RING_BYTES = 1 << 18, PRL_RING_REPLAY_BYTES = 1 << 16 };

/* Positions count from the first byte ever written, with the pieces' heads. */
struct prl_ring {
    char *bytes; /* malloc'd at the first output; NULL: none yet */
    uint64_t begin, end;
    uint64_t begin_output; /* bytes of output before `begin` */
};

/* The place of one reader, always between two pieces. */
struct prl_ring_place {
    uint64_t at, output; /* with and without the heads */
};

/* false: there was no memory. */
bool prl_ring_add(struct prl_ring *ring, int stream, const char *bytes, size_t len);
void prl_ring_free(struct prl_ring *ring);
struct prl_ring_place prl_ring_first(const struct prl_ring *ring);
struct prl_ring_place prl_ring_end(const struct prl_ring *ring);
/* So far back that about PRL_RING_REPLAY_BYTES are shown again. */
struct prl_ring_place prl_ring_replay(const struct prl_ring *ring);
/* Bytes that this reader missed; it goes on at the first one that is there. */
uint64_t prl_ring_catch_up(const struct prl_ring *ring, struct prl_ring_place *place);
/* The next bytes of one stream, as many as fit.  0: nothing is new.  *next: the place after
 * them. */
size_t prl_ring_read(const struct prl_ring *ring, struct prl_ring_place *next, char *buffer,
                     size_t size, int *ret_stream);
