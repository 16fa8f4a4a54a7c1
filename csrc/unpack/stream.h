/* stream.h: a layer's plain tar → a directory tree, pushed in as it comes.
 *
 * In: a descriptor of the layer's directory, then the archive's bytes in pieces of any size.
 * Out: below that directory tree/ (files, directories, links, FIFOs, overlay whiteouts) and,
 * where there is something to say, the lists owners, devices and capabilities.
 * Never: a name outside tree/, whatever the archive holds; a device node; privilege: it needs
 * none, and a caller who has it gains nothing.
 *
 * Every function returns >= 0 or -errno with *reterr filled (PRL_STAGE_LAYER): EBADMSG when the
 * archive is to blame, another errno when the disk is.  After an error the layer is good for
 * the trash alone.
 * Sources: tar(5), pax of POSIX.1-2017, OCI image-spec layer.md, overlayfs.rst of Linux. */
#pragma once

#include "base/error.h"

struct prl_unpack;

struct prl_unpack_limits {
    uint64_t entries;    /* members of the archive */
    uint64_t size_bytes; /* of all files together, holes included */
};

struct prl_unpack_summary {
    uint64_t entries;        /* members, whiteouts and skipped ones included */
    uint64_t size_bytes;     /* of all files, holes included */
    uint64_t owners;         /* lines of `owners` */
    uint64_t devices;        /* lines of `devices` */
    uint64_t capabilities;   /* lines of `capabilities` */
    uint64_t xattrs_skipped; /* extended attributes that an ordinary user cannot set */
    uint64_t replaced;       /* members that took the place of an earlier one */
};

/* The extended attribute that remembers an owner who is not 0:0 (rootlesscontainers). */
#define PRL_UNPACK_OWNER_XATTR "user.rootlesscontainers"

/* tree/ is made when it is missing.  layer_fd stays the caller's. */
int prl_unpack_new(int layer_fd, const struct prl_unpack_limits *limits,
                   struct prl_unpack **ret, struct prl_error *reterr);
int prl_unpack_feed(struct prl_unpack *u, const void *data, size_t len,
                    struct prl_error *reterr);
/* The archive has ended: the lists are written.  All directories can still be looked into. */
int prl_unpack_end(struct prl_unpack *u, struct prl_unpack_summary *ret,
                   struct prl_error *reterr);
/* After that: directories get their modes and times. */
int prl_unpack_seal(struct prl_unpack *u, struct prl_error *reterr);
/* Safe on NULL. */
void prl_unpack_free(struct prl_unpack *u);
