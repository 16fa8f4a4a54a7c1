/* creation.h: files about to be made by claimed users; see creation.c.
 * In: calls.  Out: claims.  Never: more than PRL_BIRTHS_MAX at a time. */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PRL_BIRTHS_MAX = 64 };

/* A name that a claimed user is about to make. */
struct prl_birth {
    int parent_fd;
    pid_t thread;
    uint32_t uid, gid;
    char name[NAME_MAX + 1];
};

struct prl_births {
    struct prl_birth list[PRL_BIRTHS_MAX];
    size_t len;
};

struct prl_fake;

/* Claim what was announced and is there; `caller` is about to be answered (0: nobody). */
void prl_births_settle(struct prl_fake *fake, pid_t caller);
