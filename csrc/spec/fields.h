/* fields.h: the one table of the fields of config.json that this program knows.
 * In: a JSON tree.  Out: 0 when every known field has its type, its range and no field asks for
 * what cannot be given.  Never: values into prl_spec, opening a file. */
#pragma once

#include "spec/json.h"

enum prl_spec_type {
    PRL_SPEC_TEXT,
    PRL_SPEC_FLAG,
    PRL_SPEC_NUMBER,   /* min … max, whole */
    PRL_SPEC_OBJECT,   /* fields; without fields any object */
    PRL_SPEC_TEXTS,    /* array of strings */
    PRL_SPEC_NUMBERS,  /* array of numbers, min … max each */
    PRL_SPEC_OBJECTS,  /* array of objects, fields each */
    PRL_SPEC_TEXT_MAP, /* object whose values are strings */
};

enum prl_spec_fate {
    PRL_SPEC_OPTIONAL,
    PRL_SPEC_REQUIRED,
    PRL_SPEC_REFUSED, /* may be there, but empty: {}, [] or "" */
    PRL_SPEC_IGNORED, /* checked, then left: the note says why that is honest */
};

struct prl_spec_field {
    char key[24]; /* empty: the end of a table */
    enum prl_spec_type type;
    enum prl_spec_fate fate;
    unsigned inner; /* see prl_spec_inner_fields; 0: none */
    int64_t min;
    uint64_t max;
    char note[84]; /* refused, ignored: the reason */
};

extern const struct prl_spec_field prl_spec_root_fields[];

/* The fields of the object, or of each object of an array; NULL: any will do. */
const struct prl_spec_field *prl_spec_inner_fields(const struct prl_spec_field *field);

/* A member of the object at `place` into reader->keep, as it stands. */
int prl_spec_keep(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                  const char *key, yyjson_val *value);
/* The whole tree against the table. */
int prl_spec_check_fields(const struct prl_spec_reader *reader, yyjson_val *root);
