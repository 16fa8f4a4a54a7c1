/* text.h: JSON text that grows.
 * In: keys (NULL: an element of an array) and values.  Out: the text.  Never: a meaning. */
#pragma once

#include "base/arena.h"
#include "prl.h"

struct prl_spec_text {
    char *at; /* malloc'd, NUL-terminated */
    size_t len, room;
    bool no_memory, not_utf8; /* met on the way, told at the end */
    const struct prl_spec *spec;
    struct prl_arena *arena; /* for texts that are made on the way */
};

void prl_text_begin(struct prl_spec_text *o, const char *key, char bracket);
void prl_text_end(struct prl_spec_text *o, char bracket);
/* text NULL: nothing is written. */
void prl_text_text(struct prl_spec_text *o, const char *key, const char *text);
void prl_text_texts(struct prl_spec_text *o, const char *key, const char *const *texts);
void prl_text_number(struct prl_spec_text *o, const char *key, uint64_t number);
void prl_text_signed(struct prl_spec_text *o, const char *key, int64_t number);
void prl_text_flag(struct prl_spec_text *o, const char *key, bool flag);
/* A value that is JSON already. */
void prl_text_json(struct prl_spec_text *o, const char *key, const char *json);
