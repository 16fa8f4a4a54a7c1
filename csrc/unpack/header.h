/* header.h: one header block of 512 bytes → its fields.
 * In: the block.  Out: struct prl_unpack_header.  Never: a field that was not checked. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

enum { PRL_UNPACK_BLOCK = 512 };

struct prl_unpack_header {
    char name[256 + 1]; /* prefix "/" name */
    char link[100 + 1];
    char type; /* '\0' of v7 is given as '0' */
    uint32_t mode, uid, gid, major, minor;
    uint64_t size_bytes; /* of the body that follows */
    int64_t mtime_s;
};

/* 0: a header; 1: a block of zeros, the end of the archive. */
int prl_unpack_header_parse(const unsigned char block[PRL_UNPACK_BLOCK],
                            struct prl_unpack_header *ret, struct prl_error *reterr);
/* A number field of len bytes: octal text, or base 256 when its first bit is set. */
int prl_unpack_number(const unsigned char *field, size_t len, int64_t *ret);
