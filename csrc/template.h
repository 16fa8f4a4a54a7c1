/* template.h: image name → launch template.
 * In: a reference as the user typed it.  Out: bytes of the template's config.json, and a lock
 * that keeps the image. Never: a registry, unpacking, Python.  1 = "not here or stale": the
 * caller asks Python to prepare it. */
#pragma once

#include "base/span.h"
#include "state.h"

#define PRL_TEMPLATE_VERSION "2" /* io.pyrootless.template.version; others are stale */

/* Which file it was: another one is another template. */
struct prl_template_identity {
    uint64_t device, inode, size;
    int64_t mtime_ns, ctime_ns;
};

struct prl_template {
    struct prl_template_identity identity;
    char *json; /* malloc'd, as it lies in the store */
    size_t len;
    char *sources; /* malloc'd: io.pyrootless.template.sources */
    char *brief;   /* malloc'd: the same with "{}" for linux.seccomp */
    size_t brief_len;
    struct prl_span filter; /* linux.seccomp, in json */
    int lock_fd; /* shared flock on the image's directory, held as long as the container runs */
};

int prl_template_load(const struct prl_dirs *dirs, const char *image, struct prl_template *ret,
                      struct prl_error *reterr);
/* The same in two steps: the image, locked, with the identity of its template; then the bytes
 * of a template that is locked. */
int prl_template_lock(const struct prl_dirs *dirs, const char *image, struct prl_template *ret,
                      struct prl_error *reterr);
int prl_template_read(const struct prl_dirs *dirs, const char *image, struct prl_template *t,
                      struct prl_error *reterr);
/* Are the things of the host, which a text of sources names, as they were? */
bool prl_template_are_fresh(const char *sources); /* may run beside a child */
void prl_template_free(struct prl_template *t);
