/* dev.h: what every container finds in /dev.
 * In: a directory.  Out: names in it.  Never: a device: the host's is bound over its name. */
#pragma once

#include "base/error.h"

enum { PRL_DEV_NODES = 6 };

extern const struct prl_device prl_dev_nodes[PRL_DEV_NODES];

/* The usual links; names that are taken stay.  -1: *ret_name could not be made. */
int prl_dev_links(int dev_fd, const char **ret_name) PRL_CHILD_SAFE;
/* "dev" in a new, empty directory: the links, "shm", and an empty file for each of the first
 * `len` nodes.  -1 and errno. */
int prl_dev_sketch(int dir_fd, size_t len) PRL_CHILD_SAFE;
