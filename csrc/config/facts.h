/* facts.h: what a description needs to know of one start, and what is done to it later,
 * whoever asked for it.
 * In: facts, a spec.  Out: the same with what was decided at the start.  Never: an
 * option. */
#pragma once

#include "prl.h"

/* A container whose volumes another one takes. */
struct prl_donor {
    struct prl_spec *spec;
    bool readonly; /* they are taken read-only */
};

struct prl_config_facts {
    const char *id;            /* container id, 64 hex digits */
    const char *name;          /* or NULL */
    const char *container_dir; /* absolute; where upper/, work/ and the small files live; NULL
                                  when there is none (tmpfs upper, no files) */
    /* the engine's own directories, canonical, kept out of volumes; scratch_dir NULL: none */
    const char *data_dir, *runtime_dir, *scratch_dir;
    const char *launcher; /* path of the native launcher; NULL: this program */
    const char *allow;    /* see prl_config_allow_resolve; NULL: no list */
    const struct prl_shared_network
        *shared_network;            /* with --network container:NAME; else NULL */
    const struct prl_donor *donors; /* with --volumes-from */
    size_t donors_len;
    uid_t uid; /* caller, becomes hostID of the map */
    gid_t gid;
    const char *running_root; /* with exec: "/" of the running container, a host path */
    bool machine_ids; /* ask again which ids there are, the template may not be of here */
    unsigned short rows, columns; /* the caller's terminal, 0 if none */
};

/* The kernel refused the overlay (*error), and fuse-overlayfs is installed. */
bool prl_config_may_fall_back(const struct prl_error *error);
/* The same launch with fuse-overlayfs as driver. */
int prl_config_fall_back(struct prl_spec *spec, struct prl_error *reterr);

/* The volume `name` is the host's directory `device`: mounted from there, and watched over as
 * whatever somebody lends to a container.  0: it is so already, 1: now. */
int prl_config_volume_device(struct prl_spec *spec, const char *name, const char *device,
                             const struct prl_config_facts *facts, struct prl_error *reterr);

struct prl_limits_plan; /* limits/groups.h */
/* What enforces each limit (io.pyrootless.limits.*). */
int prl_config_enforcement(const struct prl_limits_plan *plan, struct prl_spec *spec,
                           struct prl_error *reterr);

struct prl_config_file {
    const char *name; /* "hosts", "hostname", "resolv.conf" */
    char *content;    /* malloc'd */
};
enum { PRL_CONFIG_FILES = 3 };
