/* pax.h: extended headers: what the fixed header has no room for.
 * In: bodies of 'x' and 'g' members.  Out: records, found by key.
 * Never: a value taken for a text without looking for its end. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <time.h>

struct prl_unpack_record {
    size_t key_at, value_at, value_len; /* in text; both end with NUL */
};

/* Records in the order they came: the last of a key counts. */
struct prl_unpack_pax {
    char *text;
    size_t text_len;
    struct prl_unpack_record *records;
    size_t records_len, records_room;
};

int prl_unpack_pax_add(struct prl_unpack_pax *pax, const char *body, size_t len,
                       struct prl_error *reterr);
void prl_unpack_pax_clear(struct prl_unpack_pax *pax);
void prl_unpack_pax_free(struct prl_unpack_pax *pax);

/* Both places a value can stand: the member's own records, then those of all members. */
struct prl_unpack_extended {
    struct prl_unpack_pax own, global;
};
/* The value of a key; NULL when nobody gives it, or when the member takes it away (an empty
 * value). */
const char *prl_unpack_pax_find(const struct prl_unpack_extended *extended, const char *key,
                                size_t *ret_len);
/* 1: found, without a NUL in it; 0: not there; -EBADMSG. */
int prl_unpack_pax_text(const struct prl_unpack_extended *extended, const char *key,
                        const char **ret, struct prl_error *reterr);
/* A whole number of at most max.  1, 0, -EBADMSG. */
int prl_unpack_pax_number(const struct prl_unpack_extended *extended, const char *key,
                          uint64_t max, uint64_t *ret, struct prl_error *reterr);
/* Seconds with a fraction, "-1.25".  1, 0, -EBADMSG. */
int prl_unpack_pax_time(const struct prl_unpack_extended *extended, const char *key,
                        struct timespec *ret, struct prl_error *reterr);
/* Digits at *p, which is moved behind them; false: none, or more than 2^63-1. */
bool prl_unpack_digits(const char **p, uint64_t *ret);
