/* claims.h: the claim on one file, wherever it is kept.
 * In: an O_PATH descriptor.  Out: the owner that was claimed for it.
 * Never: a change to the file but its two attributes. */
#pragma once

#include "fakeroot/table.h"

struct prl_claims {
    struct prl_side *side;
    uint64_t root_device; /* st_dev of the container's root */
};

/* True: *ret is filled. */
bool prl_claims_get(const struct prl_claims *claims, int fd, struct prl_claim *ret);
/* 0 or -errno.  A claim of 0:0 that is no device is forgotten. */
int prl_claims_set(struct prl_claims *claims, int fd, const struct prl_claim *claim);
