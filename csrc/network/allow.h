/* allow.h: one row of the list of destinations that a container may speak to.
 * In: the text "ADDRESS/BITS PORT|* [NAME]" of the annotation io.pyrootless.network.allow.
 * Out: numbers to compare with.  Never: a name looked up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest list: it travels as one argument of a program (128 KiB at most). */
enum { PRL_ALLOW_MAX = 1024, PRL_ALLOW_TEXT_BYTES = 96 * 1024 };

struct prl_allow {
    unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d, in which form it may be typed too */
    unsigned char bits; /* of the address that count; of IPv4 96 more; fewer: of IPv6 alone */
    uint16_t port;      /* 0: all */
};

/* One line of `len` bytes; false: not of this form, or bits beyond the prefix are set. */
bool prl_allow_parse(const char *line, size_t len, struct prl_allow *ret);
/* All lines of a text, at most `max`; their number, or -1: one is not of this form. */
int prl_allow_parse_all(const char *text, struct prl_allow *ret, size_t max);
/* May this address (16 bytes, IPv4 as above) be contacted? A row covers addresses of its own
 * family only. port 0: only a row for all ports counts. */
bool prl_allow_has(const struct prl_allow *rows, size_t rows_len,
                   const unsigned char address[16], uint16_t port);
/* "1.2.3.4" or "2001:db8::1" → the form above; the bits of a whole address, or 0: neither. */
unsigned prl_allow_address(const char *text, unsigned char ret[16]);
