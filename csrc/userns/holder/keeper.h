/* keeper.h: the id-map holder: a small process of the caller's that keeps a user namespace with
 * all its ids, so that a start need not ask newuidmap(1) for them again.
 * In: a directory of the caller's only, the maps of a launch.  Out: a descriptor of the
 * process, whose namespace setns(2) joins; or none, and the launch does without. Never: a
 * message to the process: only its namespace is needed; anything of a container in it; a failed
 * start.
 *
 * The namespace of each container is a child of the holder's: no container has any power over
 * the holder, or over another container.  docs/decisions/0006-holder.md has the choice. */
#pragma once

#include "userns/ids.h"

#include <stddef.h>
#include <sys/un.h>

enum {
    PRL_HOLDER_IDLE_SECONDS = 300, /* unless PYROOTLESS_HOLDER_IDLE says otherwise */
    PRL_HOLDER_MOST = 4,           /* of one user: different maps, different limits */
    PRL_HOLDER_NAME = 32,          /* bytes */
    PRL_HOLDER_MAP_BYTES = 4096,   /* the kernel takes less than a page */
};

/* Everything that a holder is made of: two launches with the same name may share one. */
struct prl_holder_key {
    struct prl_ids uids, gids;  /* beside the caller's own, sorted */
    char name[PRL_HOLDER_NAME]; /* of its socket */
};

/* maps.c.  -errno: these maps are nothing that a holder could keep. */
int prl_holder_key_of(const struct prl_spec *spec, struct prl_holder_key *ret);
/* The same from "FIRST COUNT[,FIRST COUNT…]", as prl_holder_ids_text writes it. */
int prl_holder_key_parse(const char *uids, const char *gids, struct prl_holder_key *ret);
/* -ENOSPC: longer than `size`. */
int prl_holder_ids_text(const struct prl_ids *ids, char *buf, size_t size);
/* The rows of a launch as the holder's namespace calls the same ids, one a line.  -errno: it
 * has not all of them, or they are too many lines. */
int prl_holder_map_text(const struct prl_idmap *rows, size_t len, uint32_t own,
                        const struct prl_ids *ids, char buf[PRL_HOLDER_MAP_BYTES]);

/* find.c.  The holder of this name in `dir`: its pidfd, or -errno.  Waits for nothing. */
int prl_holder_find(const char *dir, const char *name);

/* start.c.  Start a holder for the launches of this specification and do not wait for it; it
 * finds out itself whether there is one.  `spec->holder` names the directory. */
int prl_holder_start(const struct prl_spec *spec);

/* find.c.  A connection to a living holder, or -errno: -ECONNREFUSED where it has died. */
int prl_holder_connect(int dir_fd, const char *name);
