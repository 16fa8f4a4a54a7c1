/* xattr.h: extended attributes of a member, and the one that remembers its owner.
 * In: records of extended headers, a descriptor.  Out: attributes set, others counted.
 * Never: an attribute that speaks to overlayfs or to ourselves, taken from an archive. */
#pragma once

#include "unpack/entry.h"
#include "unpack/tree.h"

/* A POSIX access list as the archive has it: the kernel's form, or text ("user:33:r--", …). */
struct prl_unpack_acl {
    const unsigned char *value; /* NULL: the entry has none */
    size_t len;
    bool text;
};

struct prl_unpack_xattrs {
    uint64_t skipped;                     /* counted up */
    const unsigned char *file_capability; /* security.capability of this entry, or NULL */
    size_t file_capability_len;
    struct prl_unpack_acl access,
        inherited; /* its own; of a directory, for what is made in it */
};

/* Set what an ordinary user may set.  0, or an error that is recorded. */
int prl_unpack_xattr_apply(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int fd, struct prl_unpack_xattrs *ret);
/* Remember the owner; `known`: there may be an older one to forget. */
int prl_unpack_xattr_owner(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int fd, bool known);
