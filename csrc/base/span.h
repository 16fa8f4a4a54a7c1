/* span.h: where the value of a member is in JSON text.
 * In: text that a JSON reader will check anyway.  Out: a piece of it, or the text with another
 * piece in its place.  Never: a judgement about the text: what is not understood is not found.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A piece of text that somebody else owns; at NULL: none. */
struct prl_span {
    const char *at;
    size_t len;
};

/* The value of the member `inner` of the member `outer` of the object `json`.  Names are
 * compared as they are written, so that one with an escape is not found. */
bool prl_span_find(struct prl_span json, const char *outer, const char *inner,
                   struct prl_span *ret);
/* `json` with `text` in place of its part `old`; malloc'd, NUL-terminated; NULL: no memory. */
char *prl_span_replace(struct prl_span json, struct prl_span old, struct prl_span text,
                       size_t *ret_len);
