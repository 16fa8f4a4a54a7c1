/* ids.h: the user and group ids a process of the container believes it has.
 * In: a set of ids, a call's arguments.  Out: the set after it, or -errno, by the kernel's own
 * rules.  Never: a system call; these are values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRL_IDS_GROUPS = 256 };

#define PRL_IDS_KEEP UINT32_MAX /* -1: "leave it" */

struct prl_fakeroot_quad {
    uint32_t real, effective, saved, fs;
};

/* All bytes of a set count when two are compared: fill the rest with zeros. */
struct prl_fakeroot_ids {
    struct prl_fakeroot_quad uid, gid;
    uint32_t permitted, capable; /* 1: CAP_SETUID and its like are held, are in effect */
    uint32_t keep_caps;          /* PR_SET_KEEPCAPS */
    uint32_t groups_len;
    uint32_t groups[PRL_IDS_GROUPS];
};

/* Root with every capability and no further group: who has claimed nothing. */
struct prl_fakeroot_ids prl_ids_root(void);
/* "UID,GID[,GROUP…]": a program that was just executed as that user.  -EINVAL: it is none. */
int prl_ids_executed(const char *text, struct prl_fakeroot_ids *ret);

int prl_ids_setuid(struct prl_fakeroot_ids *ids, uint32_t uid);
int prl_ids_setreuid(struct prl_fakeroot_ids *ids, uint32_t real, uint32_t effective);
int prl_ids_setresuid(struct prl_fakeroot_ids *ids, uint32_t real, uint32_t effective,
                      uint32_t saved);
uint32_t prl_ids_setfsuid(struct prl_fakeroot_ids *ids, uint32_t uid); /* the former one */
int prl_ids_setgid(struct prl_fakeroot_ids *ids, uint32_t gid);
int prl_ids_setregid(struct prl_fakeroot_ids *ids, uint32_t real, uint32_t effective);
int prl_ids_setresgid(struct prl_fakeroot_ids *ids, uint32_t real, uint32_t effective,
                      uint32_t saved);
uint32_t prl_ids_setfsgid(struct prl_fakeroot_ids *ids, uint32_t gid);
int prl_ids_setgroups(struct prl_fakeroot_ids *ids, const uint32_t *groups, size_t len);
/* capset(2): which of CAP_SETGID and CAP_SETUID the new sets hold. */
int prl_ids_capset(struct prl_fakeroot_ids *ids, bool permitted, bool effective);
/* execve(2): root has every capability again, another user none. */
void prl_ids_exec(struct prl_fakeroot_ids *ids);

/* chown(2) by these ids of a file that belongs to owner:group.  0 or -EPERM. */
int prl_ids_may_chown(const struct prl_fakeroot_ids *ids, const uint32_t owner[2],
                      const uint32_t wanted[2]);
