/* template.h: image name → launch template.
 * In: a reference as the user typed it.  Out: the spec of the template's config.json, and a
 * lock that keeps the image.  Never: a registry, unpacking, Python.  1 = "not here or stale":
 * the caller asks Python to prepare it. */
#pragma once

#include "config/mapped.h"

#define PRL_TEMPLATE_VERSION "2" /* io.pyrootless.template.version; others are stale */

struct prl_template {
    struct prl_flat flat;
    int lock_fd; /* shared flock on the image's directory, held as long as the container runs */
};

int prl_template_load(const struct prl_dirs *dirs, const char *image, struct prl_template *ret,
                      struct prl_error *reterr);
/* A spec of its own, to be changed into that of a launch; it ends before the template does. */
int prl_template_spec(const struct prl_template *t, struct prl_spec **ret,
                      struct prl_error *reterr);
void prl_template_free(struct prl_template *t);
