/* journal.h: what happened to containers, images and volumes: DATA/events.
 * In: an event.  Out: a line of it at the journal's end, in docker's words.
 * Never: a failure of what happened because it could not be written down; a wait. */
#pragma once

#include "container/state/record.h"

enum { PRL_JOURNAL_BYTES = 8 << 20 }; /* then `events` becomes `events.1` */

struct prl_event {
    const char *type;   /* "container", "image", "volume", "network" */
    const char *action; /* "start", "health_status: healthy" */
    const char *id;     /* of what it happened to */
    const char
        *attributes;  /* `"name":"web",…`; "" or NULL: none; never longer than a page or so */
    const char *more; /* the same, of this event alone */
};

void prl_journal_add(const struct prl_dirs *dirs, const struct prl_event *event);
/* A container's attributes: its image, its name, its labels.  malloc'd; NULL: no memory. */
char *prl_journal_attributes(const struct prl_spec *spec, const char *image, const char *name);
/* The same of its config.json in this directory; NULL: it has none, or the container no name.
 */
char *prl_journal_attributes_of(const char *directory);
/* One attribute, as JSON: ,"KEY":"VALUE" (the comma where text is not empty).  The same text,
 * longer, or NULL: no memory. */
char *prl_journal_attribute(char *text, const char *key, const char *value);

/* exec.c: a second program in a container, from its begin to its end. */
struct prl_told_exec {
    const char *container; /* its id */
    char *attributes;      /* malloc'd; NULL: the container has no name, and nothing is told */
};
void prl_journal_exec(const struct prl_dirs *dirs, const char *container,
                      const struct prl_spec *spec, struct prl_told_exec *ret);
/* Frees what it holds. */
void prl_journal_exec_end(const struct prl_dirs *dirs, struct prl_told_exec *told, int code);
