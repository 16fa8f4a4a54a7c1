/* usage.h: what a tree takes of the disk.
 * In: a directory descriptor and a name below it.  Out: bytes of allocated blocks.
 * Never: a hole counted, or a file twice because it has two names; following a link. */
#pragma once

#include <stdint.h>

enum { PRL_USAGE_DEPTH = 256 };

/* What cannot be read, or is deeper than PRL_USAGE_DEPTH directories, is not counted. 0 or
 * -ENOMEM. */
int prl_usage_tree(int dir_fd, const char *name, uint64_t *ret_bytes);
