/* sparse.h: where the bytes of a file with holes belong.
 * In: a map in any of the four forms that exist.  Out: segments, in order.
 * Never: segments that overlap, go backwards or leave the file. */
#pragma once

#include "unpack/pax.h"

enum { PRL_UNPACK_SEGMENTS_MAX = 1 << 20 };

struct prl_unpack_segment {
    uint64_t at, len;
};

/* The map of one file, and how far its bytes have come. */
struct prl_unpack_sparse {
    struct prl_unpack_segment *segments;
    size_t len, room;
    uint64_t size_bytes; /* of the file, holes included */
    size_t now;          /* segment that takes the next byte */
    uint64_t done;       /* bytes of it that are there */
    uint64_t numbers;    /* of a map as text: numbers still to come */
    uint64_t number, at; /* the number that is being read; the segment's offset */
    bool digits;         /* one digit of it was read */
    bool counted;        /* the count, which comes first, was read */
};

/* Which form a member's map has. */
enum prl_unpack_map {
    PRL_UNPACK_MAP_NONE,
    PRL_UNPACK_MAP_HEADER, /* old GNU: in the header and blocks that follow it */
    PRL_UNPACK_MAP_PAX,    /* 0.0 and 0.1: in the extended header */
    PRL_UNPACK_MAP_BODY,   /* 1.0: as text before the file's bytes */
};

void prl_unpack_sparse_begin(struct prl_unpack_sparse *sparse, uint64_t size_bytes);
/* The whole file is one segment. */
int prl_unpack_sparse_plain(struct prl_unpack_sparse *sparse, uint64_t size_bytes);
/* Up to n pairs of 12 bytes each; an empty one ends them. */
int prl_unpack_sparse_pairs(struct prl_unpack_sparse *sparse, const unsigned char *pairs,
                            unsigned n);
/* GNU.sparse.map, or GNU.sparse.offset and .numbytes in turns. */
int prl_unpack_sparse_pax(struct prl_unpack_sparse *sparse,
                          const struct prl_unpack_extended *extended);
/* One block of a map as text.  1: the map is complete. */
int prl_unpack_sparse_text(struct prl_unpack_sparse *sparse, const unsigned char *block);
/* The bytes of all segments. */
uint64_t prl_unpack_sparse_total(const struct prl_unpack_sparse *sparse);
/* Where the next bytes go and how many of them, at most len. */
uint64_t prl_unpack_sparse_next(const struct prl_unpack_sparse *sparse, size_t len,
                                size_t *ret_len);
void prl_unpack_sparse_advance(struct prl_unpack_sparse *sparse, size_t len);
