/* mapped.h: a launch template's spec in a form that is mapped and copied, not parsed.
 * In: the template's config.json and which file that is.  Out: as many copies of its spec as
 * are wanted.  Never: trust in a form of another template, or of another build of this program.
 *
 * It lies below RUNTIME/flat/, left there by the first start after the template was made. */
#pragma once

#include "container/state/record.h"

/* Which file it was: another one is another template. */
struct prl_template_identity {
    uint64_t device, inode, size;
    int64_t mtime_ns, ctime_ns;
};

struct prl_flat {
    const unsigned char *at; /* NULL: none */
    size_t len;
    bool mapped; /* or malloc'd */
};

/* false: there is none for this template. */
bool prl_flat_find(const struct prl_dirs *dirs, const struct prl_template_identity *template,
                   struct prl_flat *ret);
/* Make one.  -EINVAL: the text is no config.json. */
int prl_flat_make(const char *json, size_t len, const struct prl_template_identity *template,
                  struct prl_flat *ret);
/* Leave it for the next start; a failure is nobody's. */
void prl_flat_keep(const struct prl_dirs *dirs, const struct prl_flat *flat);
/* The annotation io.pyrootless.template.sources; NULL: none, or of another version. */
const char *prl_flat_sources(const struct prl_flat *flat);
/* A spec as prl_spec_read gives it, which ends before flat does.  -ENOMEM, -EBADMSG. */
int prl_flat_spec(const struct prl_flat *flat, struct prl_spec **ret);
void prl_flat_close(struct prl_flat *flat);
