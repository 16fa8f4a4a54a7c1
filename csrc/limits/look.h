/* look.h: what host.c and apart.c share; nobody else includes it.
 * In: lines of mountinfo, paths of /proc/self/cgroup.  Out: directories of control groups.
 * Never: a group made or changed. */
#pragma once

#include "limits/files.h"

/* One line of mountinfo that is about control groups. */
struct prl_cgroup_mount {
    const char *root, *point, *options;
    bool version2;
};

/* host.c: of mountinfo's line, which this takes apart; false: of something else. */
bool prl_cgroup_parse_mount(char *line, struct prl_cgroup_mount *ret);
/* Where a path of /proc/self/cgroup lies below a mount that shows `root` of the hierarchy;
 * malloc'd, NULL: nowhere. */
char *prl_cgroup_place(const struct prl_cgroup_mount *mount, const char *own);
/* A directory that the caller may make groups in, and enter: this one, one right below it, or,
 * of version 1, one right below the mount.  malloc'd, NULL: there is none. */
char *prl_cgroup_delegated(const struct prl_cgroup_mount *mount, const char *place);
int prl_cgroup_read_proc(const char *proc, const char *name, char **ret,
                         struct prl_error *reterr);
/* The base becomes the host's, with what it holds. */
void prl_cgroup_add_base(struct prl_cgroup_host *host, struct prl_cgroup_base base);
