/* notes.h: annotations ↔ fields of prl_spec: notes.c has the table.
 * In: a whole key.  Out: its text, or an error with the key.  Never: what they mean together.
 */
#pragma once

#include "spec/parts.h"

#define PRL_SPEC_NOTE "io.pyrootless."

enum { PRL_SPEC_STOP_SIGNAL = 15 };

/* All of /annotations (NULL: there is none). */
int prl_spec_read_notes(const struct prl_spec_reader *reader, yyjson_val *annotations,
                        struct prl_spec *ret);
int prl_spec_note_fail(const struct prl_spec_reader *reader, const struct prl_note *note,
                       const char *expected);
/* Every annotation that says something, in the order of the table. */
int prl_spec_each_note(struct prl_arena *arena, const struct prl_spec *spec,
                       void (*take)(void *data, const char *key, const char *text), void *data);
