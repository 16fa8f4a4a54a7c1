/* files.h: what the files of the room "cgroup" share; nobody else includes it.
 * In: directories of control groups.  Out: texts and numbers of their files.
 * Never: a process. */
#pragma once

#include "base/error.h"
#include "limits/files.h"
#include "limits/groups.h"
#include <stdbool.h>
#include <stddef.h>

/* The launcher's place when its own group enables controllers for its children. */
#define PRL_CGROUP_LAUNCHER "pyrootless-launcher"
/* The container's processes are in a group below the one with the limits: the root of its
 * cgroup namespace then has no limit that could be rewritten. */
#define PRL_CGROUP_BOX "box"

/* plan.c: the controllers that would enforce what is asked for (enum prl_controller). */
unsigned prl_limits_controllers(const struct prl_spec *spec);

/* text.c: small files.  Reads give the length without the last line end, or -errno. */
int prl_cgroup_read(int dir_fd, const char *name, char *buf, size_t size);
int prl_cgroup_read_at(const char *directory, const char *name, char *buf, size_t size);
int prl_cgroup_write(int dir_fd, const char *name, const char *text);
/* A file of one number; "max" is UINT64_MAX; 0 when it cannot be read. */
uint64_t prl_cgroup_number(int dir_fd, const char *name);
/* The number behind a key, of lines "KEY NUMBER"; 0 when there is none. */
uint64_t prl_cgroup_keyed(int dir_fd, const char *name, const char *key);
/* "pyrootless-" and an id. */
bool prl_cgroup_is_leaf(const char *name);
/* Which processes are in a group: none or only this one; only this one. */
bool prl_cgroup_is_free(int dir_fd);
bool prl_cgroup_is_alone(int dir_fd);

/* values.c: a limit, written to a file of a control group of version 2. */
struct prl_group_text {
    const char *name, *value; /* the value lies in `room`, or with the caller */
    bool may_miss;            /* it is no failure when there is no such file */
    char room[56];
};

/* v1.c, v2.c: the limits of one group, written or to be written, and what it saw.
 * *ret is malloc'd. */
int prl_cgroup1_limit(int dir_fd, const struct prl_cgroup *group,
                      const struct prl_resources *resources, struct prl_error *reterr);
int prl_cgroup2_texts(const struct prl_cgroup *group, const struct prl_resources *resources,
                      struct prl_group_text **ret, size_t *ret_len, struct prl_error *reterr);
/* Readable when the group's memory runs out, or has run out: version 1 then kills only one
 * process. -errno: this kernel does not tell. */
int prl_cgroup1_open_oom(int dir_fd, bool flat);
void prl_cgroup1_measure(int dir_fd, unsigned controllers, struct prl_usage *ret);
void prl_cgroup2_measure(int dir_fd, unsigned controllers, struct prl_usage *ret);
/* text.c: what may have ended the container, or made it fail.  flat: of version 1 its
 * processes stand in the group itself. */
void prl_cgroup_measure_end(int dir_fd, bool version2, bool flat, unsigned controllers,
                            struct prl_usage *ret);
/* Controllers that the group above enables for ours. */
int prl_cgroup2_hand_down(const char *parent, unsigned controllers, struct prl_error *reterr);
/* What a failed write of a limit means: which file, which value. */
int prl_cgroup_fail(const char *path, const char *name, const char *value, int r,
                    struct prl_error *reterr);

/* -errno: *ret_failed could not be written. */
int prl_group_texts_write(int dir_fd, const struct prl_group_text *texts, size_t len,
                          const struct prl_group_text **ret_failed);
