/* place.h: mounting onto descriptors.
 * In: descriptors of targets inside the new root.  Out: a mount on them.  Never: a target given
 * as a host path. */
#pragma once

#include "base/sys.h"

/* Find, or make (directories 0755, files 0644), the mount point `path` below root_fd; an O_PATH
 * descriptor of it. Links are followed inside the root only; with no_links they are ELOOP. */
int prl_place_target(int root_fd, const char *path, bool directory,
                     bool no_links) PRL_CHILD_SAFE;
/* The same for a file whose name may be a link that leads nowhere, as /etc/resolv.conf is in
 * images of machines with systemd-resolved: the file is made where the link leads in the root.
 */
int prl_place_target_of_links(int root_fd, const char *path) PRL_CHILD_SAFE;
/* The name of a path that is one component below `tree`; NULL: it is none. */
const char *prl_place_name(const char *tree, const char *path) PRL_CHILD_SAFE;
/* What a bind mount looks like once it is placed. */
struct prl_place_attr {
    uint64_t set;           /* MOUNT_ATTR_* of the top mount */
    uint64_t set_recursive; /* MOUNT_ATTR_* of the whole tree */
    uint64_t propagation;   /* MS_PRIVATE when 0 */
};
/* Put what is at host path `source` (relative to dir_fd; NULL: dir_fd itself) onto target_fd.
 * Uses open_tree, mount_setattr and move_mount; where the kernel lacks them, mount(2) on the
 * descriptors' /proc paths. */
int prl_place_bind(int dir_fd, const char *source, bool recursive,
                   const struct prl_place_attr *attr, int target_fd) PRL_CHILD_SAFE;
/* The same for a cloned tree that is not mounted yet, onto `name` in target_fd ("": onto
 * target_fd). A name is one component that nobody else can exchange, and is not followed if it
 * is a link. -1 ENOSYS: the kernel lacks the calls. */
int prl_place_tree(int tree_fd, bool recursive, const struct prl_place_attr *attr,
                   int target_fd, const char *name) PRL_CHILD_SAFE;
/* What is mounted at mount_fd onto target_fd too, or onto `name` in it, as it is: no attribute
 * is changed.  -1 ENOSYS: the kernel lacks the calls. */
int prl_place_again(int mount_fd, int target_fd, const char *name) PRL_CHILD_SAFE;
/* MOUNT_ATTR_* as the flags of mount(2). */
unsigned long prl_place_flags(uint64_t attr) PRL_CHILD_SAFE;
/* mount(2) of a file system onto a descriptor. */
int prl_place_fs(const char *type, int target_fd, unsigned long flags,
                 const char *data) PRL_CHILD_SAFE;
/* The same onto a new directory (0755) in dir_fd, in which nobody else makes names.  -1 EEXIST:
 * the name is taken. */
int prl_place_fs_new(const char *type, int dir_fd, const char *name, unsigned long flags,
                     const char *data) PRL_CHILD_SAFE;
