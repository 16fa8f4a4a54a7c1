/* flat_form.h: the form of the file; see flat.h.  flat.c reads it, flat_make.c writes it. */
#pragma once

#include "flat.h"

enum {
    PRL_FLAT_SLOTS = 64,
    PRL_FLAT_CHOICES = 2, /* slots of a key: two that meet in one both have a place */
    PRL_FLAT_MAX_BYTES = 1 << 20,
    PRL_ID_SHORT = 12,
    PRL_ID_FULL = 64
};

#define PRL_FLAT_MAGIC "prlflat2" /* as many letters as prl_flat_head.magic has bytes */

/* Where a part lies: bytes from the begin of the file, or of the part it belongs to. */
struct prl_flat_part {
    uint32_t at, len;
};

enum prl_flat_kind {
    PRL_FLAT_TEXT,
    PRL_FLAT_ID,
    PRL_FLAT_SHORT_ID,
    PRL_FLAT_NAME,
    PRL_FLAT_ARGS
};

struct prl_flat_piece {
    uint32_t kind; /* enum prl_flat_kind */
    struct prl_flat_part text;
};

enum { PRL_FLAT_ARGS_FIXED = UINT32_MAX };

/* The parts follow in this order, each at a multiple of 16 bytes. */
struct prl_flat_head {
    char magic[8];
    uint64_t sum; /* of all 64-bit words behind it */
    struct prl_template_identity template;
    uint32_t len;        /* of the file */
    uint32_t args_begin; /* arguments that are not the caller's; PRL_FLAT_ARGS_FIXED: all */
    struct prl_flat_part key;
    struct prl_flat_part sources;  /* NUL-terminated */
    struct prl_flat_part spec;     /* pointers in it count from its own begin */
    struct prl_flat_part pointers; /* uint32_t each: their places in the spec */
    struct prl_flat_part ids;      /* struct prl_flat_part each: the container's, in the spec */
    struct prl_flat_part pieces;   /* struct prl_flat_piece each, of config.json */
    struct prl_flat_part text;
    struct prl_flat_part filter; /* the compiled one, if it is among the sources */
};

/* "flat/07" */
void prl_flat_slot(struct prl_span key, unsigned choice, char ret[16]);
uint64_t prl_flat_sum(const unsigned char *map, size_t len);
