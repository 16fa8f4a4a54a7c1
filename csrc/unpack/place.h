/* place.h: one member of the archive → what it is on disk.
 * In: an entry.  Out: the file, directory, link or whiteout in the tree, and lines in the
 * lists. Never: a device node; an existing thing written into: what is in the way is removed.
 */
#pragma once

#include "unpack/devices.h"
#include "unpack/entry.h"
#include "unpack/list.h"
#include "unpack/tree.h"

struct prl_unpack_lists {
    struct prl_unpack_list owners, devices, capabilities, acls;
    struct prl_unpack_devices known; /* devices by path: a hard link may be to one */
    uint64_t xattrs_skipped;
};

/* Everything but the content of a file: that one is made empty, and *ret_fd is its descriptor
 * (-1 for all others). */
int prl_unpack_place_entry(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           struct prl_unpack_lists *lists, int *ret_fd);
/* The content of a file is complete: mode and time, and the descriptor is closed. */
int prl_unpack_place_close(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int *fd);
