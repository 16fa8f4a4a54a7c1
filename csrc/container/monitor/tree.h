/* tree.h: the processes of one container, as /proc lists them.
 * In: its first process.  Out: process ids, the first one first.  Never: a process twice. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PRL_TREE_MAX = 4096 }; /* nobody asked for so many */

struct prl_tree {
    pid_t pids[PRL_TREE_MAX];
    size_t len;
    bool full; /* there are more, or more children than a buffer holds */
};

void prl_tree_read(pid_t pid, struct prl_tree *ret);
/* And those of another tree, which has none of them. */
void prl_tree_extend(pid_t pid, struct prl_tree *tree);
