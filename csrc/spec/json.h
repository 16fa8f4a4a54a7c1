/* json.h: JSON bytes → a tree that is safe to walk, and the sentences that say what is
 * wrong with it.
 * In: bytes from strangers.  Out: a yyjson tree without NUL bytes, duplicate keys or deep
 * nesting; copies in an arena; errors with the JSON path.  Never: the meaning of a field. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#include "prl.h"

#include <yyjson.h>

/* What every function of the room gets first. */
struct prl_spec_reader {
    struct prl_arena *arena;
    struct prl_error *reterr;
    struct prl_spec *keep; /* where to put what means nothing here; NULL: nowhere */
};

/* One step of a JSON path; the steps up to the root are linked through the callers' frames. */
struct prl_spec_place {
    const struct prl_spec_place *up; /* NULL: this is the root */
    const char *key;                 /* NULL: an array element */
    size_t index;
};

/* A piece of the input, cut to a length that leaves room for the sentence around it. */
struct prl_spec_shown {
    char text[72];
};
struct prl_spec_shown prl_spec_show(const char *text);

/* Fill the error with a sentence; control characters of the input become "?".  -EINVAL. */
int prl_spec_fail(const struct prl_spec_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, with the path of `place` and a space in front. */
int prl_spec_fail_at(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                     const char *format, ...) __attribute__((format(printf, 3, 4)));
/* -ENOMEM. */
int prl_spec_no_memory(const struct prl_spec_reader *reader);

/* "a number", "an object", … as it stands in sentences. */
const char *prl_spec_kind(yyjson_val *value);

/* Read and check the form of the whole document.  The caller frees *ret. */
int prl_spec_read_json(const struct prl_spec_reader *reader, const char *json, size_t len,
                       yyjson_doc **ret);

/* Copies into the arena; the values must have passed the field table.  An absent text is NULL,
 * an absent list is empty and still NULL-terminated. */
int prl_spec_copy_text(const struct prl_spec_reader *reader, yyjson_val *text,
                       const char **ret);
int prl_spec_copy_texts(const struct prl_spec_reader *reader, yyjson_val *list,
                        const char *const **ret);
/* Zeroed room for `count` elements and one more. */
int prl_spec_new_array(const struct prl_spec_reader *reader, size_t count, size_t element_size,
                       void *ret);
/* Such an array, or NULL, with room for one element more; NULL: no memory. */
void *prl_spec_grow(const struct prl_spec_reader *reader, const void *list, size_t len,
                    size_t element_size);
