/* recall.h: a start like one before.
 * In: a container's options, an image that is locked.  Out: its spec and config.json, from what
 * the earlier start left (flat.h).  Never: an option whose effect depends on more than its own
 * text; see recall.c. */
#pragma once

#include "cgroup.h"
#include "flat.h"

struct prl_container;

/* Words, each with its end. */
struct prl_recall_key {
    bool overflow; /* it was too long */
    size_t len;
    char bytes[4096];
};

struct prl_recall {
    bool usable;     /* there may be one: the key is whole */
    bool repeatable; /* the merge asked nothing of the machine that is not in the key */
    struct prl_recall_key key;
    struct prl_flat flat; /* of the earlier start; empty: this one is made in full */
    char *args;           /* malloc'd: the caller's arguments as JSON */
    size_t args_len;
};

/* recall_facts.c: everything that this start depends on beside the template; false: that is
 * more than is known.  What was found of control groups is left in c->host. */
bool prl_recall_describe(struct prl_container *c, struct prl_recall_key *ret);

/* Look whether there is one; `flat` then has it, and the template need not be read. */
bool prl_recall(struct prl_container *c, const struct prl_template *template);
/* c->spec. */
int prl_recall_spec(struct prl_container *c, struct prl_error *reterr);
/* config.json, below the container's directory. */
int prl_recall_write(const struct prl_container *c, struct prl_error *reterr);
/* config.json as one text, c->json. */
int prl_recall_text(struct prl_container *c, struct prl_error *reterr);
/* Leave this start, which was made in full, for the next one. */
void prl_recall_keep(struct prl_container *c, const struct prl_template *template);
void prl_recall_free(struct prl_recall *recall);
