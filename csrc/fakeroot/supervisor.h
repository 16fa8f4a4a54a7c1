/* supervisor.h: what the answers to the container's calls share.
 * In: one call of one process.  Out: its result.  Never: an effect beyond claims, ids, and the
 * memory the caller named for the result. */
#pragma once

#include "fakeroot/calls.h"
#include "fakeroot/claims.h"
#include "fakeroot/creation.h"
#include "fakeroot/target.h"

#include <limits.h>

struct prl_fake {
    int listener_fd;
    uint32_t tag; /* of its table of ids: no other supervisor that lives has it */
    bool begun;   /* the first caller was seen */
    struct prl_claims claims;
    struct prl_fakeroot_ids *sets; /* by index; 0: root, who has claimed nothing */
    uint32_t sets_len;
    struct prl_births births;
};

struct prl_fake_request {
    struct prl_target target;
    enum prl_fake_call call;
    const uint64_t *args;
};

/* Result: >= 0, -errno, or "let the kernel do the call". */
#define PRL_FAKE_PASS LONG_MIN

typedef long (*prl_fake_answer)(struct prl_fake *fake, const struct prl_fake_request *request);

/* calls_file.c: stat, chown and mknod families. */
long prl_fake_stat(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_chown(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_mknod(struct prl_fake *fake, const struct prl_fake_request *request);
/* creation.c: calls that make files. */
long prl_fake_birth(struct prl_fake *fake, const struct prl_fake_request *request);
/* calls_peer.c: SO_PEERCRED. */
long prl_fake_peer(struct prl_fake *fake, const struct prl_fake_request *request);
/* calls_acl.c: access lists that name somebody. */
long prl_fake_attribute(struct prl_fake *fake, const struct prl_fake_request *request);
/* calls_ids.c: the ids of processes. */
long prl_fake_get_id(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_get_ids(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_get_groups(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_set_ids(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_set_groups(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_capset(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_exec(struct prl_fake *fake, const struct prl_fake_request *request);
long prl_fake_limit(struct prl_fake *fake, const struct prl_fake_request *request);
/* The set the caller has; never NULL. */
const struct prl_fakeroot_ids *prl_fake_ids(const struct prl_fake *fake,
                                            const struct prl_fake_request *request);

/* argv: PARENT IDS [OWNERS].  Until every process under the filter is gone.  The listener is
 * descriptor 3, the container's user namespace descriptor 4.  PARENT 0: the supervisor of a
 * program of `exec`, which goes on in the background as what that program leaves may; IDS are
 * its first ones (ids.h).  Returns the exit status. */
int prl_fake_main(int argc, char **argv);
