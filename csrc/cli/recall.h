/* recall.h: a start like one before.
 * In: a container's options, an image that is locked.  Out: its spec and config.json, from what
 * the earlier start left (flat.h).  Never: an option whose effect depends on more than its own
 * text; see recall.c. */
#pragma once

#include "cgroup.h"
#include "flat.h"

struct prl_container;

struct prl_recall {
    bool usable;                 /* there may be one: the key is whole */
    bool overflow;               /* it was too long */
    bool repeatable;             /* the merge asked nothing of the machine */
    unsigned ids;                /* 0: no matter; else 1 + prl_config_ids_here() */
    enum prl_cgroup_sight sight; /* how far the key says what control groups there are */
    size_t key_len;
    char key[4096];
    struct prl_flat flat; /* of the earlier start; empty: this one is made in full */
    char *args;           /* malloc'd: the caller's arguments as JSON */
    size_t args_len;
};

/* Look whether there is one; `flat` then has it, and the template need not be read. */
bool prl_recall(struct prl_container *c, const struct prl_template *template);
/* c->spec. */
int prl_recall_spec(struct prl_container *c, struct prl_error *reterr);
/* config.json, below the container's directory. */
int prl_recall_write(const struct prl_container *c, struct prl_error *reterr);
/* config.json as one text, c->json. */
int prl_recall_text(struct prl_container *c, struct prl_error *reterr);
/* Leave this start, which was made in full, for the next one. */
void prl_recall_keep(const struct prl_container *c, const struct prl_template *template);
void prl_recall_free(struct prl_recall *recall);
