/* keys.h: the keys that detach.
 * In: docker's notation, typed bytes.  Out: bytes for the container, "seen".  Never: a
 * descriptor.
 */
#pragma once

#include "prl.h"

enum { PRL_ATTACH_KEYS_MAX = 16 };

struct prl_attach_keys {
    unsigned char keys[PRL_ATTACH_KEYS_MAX];
    size_t len;  /* 0: detaching is off */
    size_t held; /* the first `held` keys were typed and are kept back */
    bool seen;   /* the whole sequence was typed */
};

/* "ctrl-p,ctrl-q", "ctrl-a,x", "DEL"; "" is none.  Source: docker-run(1), --detach-keys. */
int prl_attach_keys_parse(const char *text, struct prl_attach_keys *ret,
                          struct prl_error *reterr);
/* A prl_pump_filter_fn: data is the keys.  An incomplete sequence goes through as it was typed.
 */
size_t prl_attach_keys_filter(void *data, char *bytes, size_t len);
