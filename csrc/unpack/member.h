/* member.h: header, extended header and long names of one member → its entry.
 * In: what was read before the body.  Out: the entry, the length of the body, the map's form.
 * Never: a name that was not cleaned, a kind that is not known. */
#pragma once

#include "unpack/entry.h"
#include "unpack/header.h"
#include "unpack/sparse.h"

struct prl_unpack_member {
    struct prl_unpack_header header;
    struct prl_unpack_extended extended;
    char *long_name, *long_link; /* GNU's 'L' and 'K'; NULL: none */
    uint64_t body_bytes;         /* that follow the headers */
    enum prl_unpack_map map;
};

/* Fills *ret and the member's body_bytes and map. */
int prl_unpack_member_read(struct prl_unpack_member *member, struct prl_unpack_entry *ret,
                           struct prl_error *reterr);
/* Forget what belonged to one member; global headers stay. */
void prl_unpack_member_next(struct prl_unpack_member *member);
void prl_unpack_member_free(struct prl_unpack_member *member);
