/* tree.h: the layer's tree as it grows: where a path's directory is, and what lies there.
 * In: cleaned paths.  Out: descriptors of directories inside the tree.
 * Never: a link followed out of the tree, a descriptor by path string from outside of it. */
#pragma once

#include "unpack/dirs.h"

#include <stdbool.h>

enum { PRL_UNPACK_CACHED = 24 };

/* The work that an archive may cause beside its own bytes, in steps of about one system call: a
 * name on the way over a link, a directory that must be made, an attribute. A few steps are
 * free, and each member brings some: so the work grows with the archive, whatever its links
 * are. */
enum { PRL_UNPACK_WORK_FREE = 1 << 18, PRL_UNPACK_WORK_A_MEMBER = 64 };
#define PRL_UNPACK_TOO_MUCH_WORK "asks for more work than an archive of its size may"

struct prl_unpack_slot {
    char *key;  /* the directory's path as the archive spells it */
    char *real; /* the same without links */
    int fd;     /* O_PATH */
    uint64_t used;
};

struct prl_unpack_tree {
    int root_fd;
    struct prl_unpack_dirs dirs;
    struct prl_unpack_slot slots[PRL_UNPACK_CACHED];
    uint64_t clock;
    uint64_t replaced;       /* what was removed to make way */
    uint64_t work_left;      /* steps; 0: too many were asked for */
    bool stale;              /* the slots may be wrong: something was removed */
    bool no_mknod;           /* whiteouts must be files with an attribute */
    bool no_xattrs;          /* the file system takes none of the user's */
    struct prl_error *error; /* of the call that is under way */
};

/* A name in a directory.  Valid until something is looked up after the next lookup. */
struct prl_unpack_place {
    int dir_fd;
    const char *dir; /* the directory's path without links; "": the root */
    const char *name;
};

/* Where path (not the root) lies; missing directories are made when `make` says so.  Links on
 * the way lead within the tree.  0, or -ENOENT without `make`, else an error that is recorded.
 */
int prl_unpack_tree_find(struct prl_unpack_tree *tree, const char *path, bool make,
                         struct prl_unpack_place *ret);
/* Remove what has the name.  1: it was a whiteout; 0. */
int prl_unpack_tree_clear(struct prl_unpack_tree *tree, const struct prl_unpack_place *place);
/* Record errno, or that the archive is to blame; returns the negative number. */
int prl_unpack_tree_fail(struct prl_unpack_tree *tree, const char *call, const char *path);
int prl_unpack_tree_refuse(struct prl_unpack_tree *tree, const char *path, const char *why);
void prl_unpack_tree_allow_member(struct prl_unpack_tree *tree);
/* 0, or -EBADMSG (not recorded) when no work is left, now and for good. */
int prl_unpack_tree_spend(struct prl_unpack_tree *tree, uint64_t work);
void prl_unpack_tree_free(struct prl_unpack_tree *tree);
