/* entry.h: what one member of the archive says, whatever form said it.
 * In: filled by member.c.  Out: read by place.c.  Never: a path that was not cleaned. */
#pragma once

#include "unpack/path.h"
#include "unpack/pax.h"

#include <sys/types.h>
#include <time.h>

enum prl_unpack_kind {
    PRL_UNPACK_FILE,
    PRL_UNPACK_HARDLINK,
    PRL_UNPACK_SYMLINK,
    PRL_UNPACK_CHAR,
    PRL_UNPACK_BLOCK_DEVICE,
    PRL_UNPACK_DIRECTORY,
    PRL_UNPACK_FIFO,
    PRL_UNPACK_NOTHING, /* a label or the like: read over */
};

struct prl_unpack_entry {
    enum prl_unpack_kind kind;
    char path[PATH_MAX];   /* below the root; "": the root itself */
    char target[PATH_MAX]; /* symlink: as it stands; hard link: cleaned, below the root */
    mode_t mode;           /* 07777 */
    uint32_t uid, gid, major, minor;
    struct timespec mtime;
    uint64_t size_bytes; /* as the file will have; the body may be shorter: holes */
    const struct prl_unpack_extended *extended;
};
