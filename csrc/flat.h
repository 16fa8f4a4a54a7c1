/* flat.h: what a start needs of an earlier one that had the same options, template and engine.
 * In: a key that says everything the start depends on; what differs from start to start.
 * Out: the spec, and the text of config.json in pieces, without a word of JSON being read.
 * Never: a description of its own: it is config.json and its spec as prl_config_merge and
 * prl_spec_parse made them, with places for id, name and arguments; a start whose key, template
 * or sources differ; an error: what cannot be used is not there, and the start is made in full.
 *
 * One is a file below RUNTIME/flat/, made by the first start and mapped by the next ones.  The
 * spec lies in it as it lay in memory, with the places of its pointers and of the id. */
#pragma once

#include "base/span.h"
#include "state.h"
#include "template.h"

#include <sys/uio.h>

enum { PRL_FLAT_PIECES = 32 };

/* What differs from start to start. */
struct prl_flat_words {
    const char *id;            /* 64 hexadecimal digits */
    const char *name;          /* NULL: none */
    char *const *args;         /* NULL-terminated */
    struct prl_span args_json; /* the same as JSON, with commas between; len 0: none */
};

/* One complete start, from which one is made. */
struct prl_flat_start {
    struct prl_flat_words words;
    const struct prl_template *template;
    const char *json; /* config.json */
    size_t json_len;
    const char *parsed; /* the text that `spec` was made of */
    size_t parsed_len;
    const struct prl_spec *spec;
};

struct prl_flat {
    const unsigned char *map; /* NULL: none */
    size_t len;
};

/* The one that was made under this key, for the template that is locked; false: none. */
bool prl_flat_find(const struct prl_dirs *dirs, struct prl_span key,
                   const struct prl_template *template, struct prl_flat *ret);
/* The things of the host that the template was made from are what they were.  May be asked
 * beside a child that shares this memory. */
bool prl_flat_is_fresh(const struct prl_flat *flat);
/* *ret is freed with prl_spec_free, before flat is closed.  Errors: ENOMEM. */
int prl_flat_spec(const struct prl_flat *flat, const struct prl_flat_words *words,
                  struct prl_spec **ret, struct prl_error *reterr);
/* config.json in pieces, which live as long as flat and words.  Returns how many. */
int prl_flat_text(const struct prl_flat *flat, const struct prl_flat_words *words,
                  struct iovec ret[PRL_FLAT_PIECES]);
void prl_flat_close(struct prl_flat *flat);

/* Make one, if it can be done and pays; a failure is nobody's. */
void prl_flat_keep(const struct prl_dirs *dirs, struct prl_span key,
                   const struct prl_flat_start *start);
