/* table.h: claims on files that take no user attribute (links, sockets, FIFOs, some file
 * systems).
 * In: which file, a claim.  Out: the claim it has.  Never: a file's name: names change hands.
 *
 * On disk: one line a change, "DEVICE INODE BORN_NS UID GID", the last one counts; a claim of
 * 0 0 is none.  DEVICE is 0 for the container's root, whose number is new with every mount. */
#pragma once

#include "fakeroot/owner.h"

struct prl_side_key {
    uint64_t device, inode;
    uint64_t born_ns; /* an inode number is used again; 0: the file system does not say */
};

struct prl_side;

/* path NULL: in memory alone.  NULL: no memory, or the file cannot be read and written. */
struct prl_side *prl_side_open(const char *path);
void prl_side_close(struct prl_side *side);
/* After a look at what another supervisor of the container has written since. */
bool prl_side_empty(struct prl_side *side);
bool prl_side_get(const struct prl_side *side, const struct prl_side_key *key,
                  struct prl_claim *ret);
/* 0, -ENOSPC (too many), or what the file's write said. */
int prl_side_put(struct prl_side *side, const struct prl_side_key *key,
                 const struct prl_claim *claim);
