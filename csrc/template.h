/* template.h: image name → launch template.
 * In: a reference as the user typed it.  Out: bytes of the template's config.json, and a lock
 * that keeps the image. Never: a registry, unpacking, Python.  1 = "not here or stale": the
 * caller asks Python to prepare it. */
#pragma once

#include "base/span.h"
#include "state.h"

#define PRL_TEMPLATE_VERSION "1" /* io.pyrootless.template.version; others are stale */

struct prl_template {
    char *json; /* malloc'd, as it lies in the store */
    size_t len;
    char *brief; /* malloc'd: the same with "{}" for linux.seccomp */
    size_t brief_len;
    struct prl_span filter; /* linux.seccomp, in json */
    int lock_fd; /* shared flock on the image's directory, held as long as the container runs */
};

int prl_template_load(const struct prl_dirs *dirs, const char *image, struct prl_template *ret,
                      struct prl_error *reterr);
void prl_template_free(struct prl_template *t);
