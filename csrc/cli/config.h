/* config.h: options + launch template → config.json.
 * In: template bytes, options, facts about this start.  Out: config.json bytes.
 * Never: writing a file; it may read --env-file, --spec-like inputs and stat volume sources. */
#pragma once

#include "cli/options.h"

struct prl_config_facts {
    const char *id;            /* container id, 64 hex digits */
    const char *name;          /* or NULL */
    const char *container_dir; /* absolute; where upper/, work/ and the small files live; NULL
                                  when there is none (tmpfs upper, no files) */
    /* the engine's own directories, kept out of volumes; scratch_dir NULL: there is none */
    const char *data_dir, *runtime_dir, *scratch_dir;
    const char *launcher;                  /* path of the native launcher; NULL: this program */
    const char *allow;                     /* see prl_config_allow_resolve; NULL: no list */
    const struct prl_neighbour *neighbour; /* with --network container:NAME; else NULL */
    uid_t uid;                             /* caller, becomes hostID of the map */
    gid_t gid;
    const char *running_root; /* with exec: "/" of the running container, a host path */
    bool machine_ids; /* ask again which ids there are, the template may not be of here */
    unsigned short rows, columns; /* the caller's terminal, 0 if none */
};

/* --allow-host → the rows of io.pyrootless.network.allow, malloc'd in place of the former *ret;
 * NULL: no list.  Asks this host's resolver. */
int prl_config_allow_resolve(const struct prl_options *options, char **ret,
                             struct prl_error *reterr);
/* *ret_json is malloc'd, NUL-terminated.  1: the machine was asked; the next may differ. */
int prl_config_merge(const char *template_json, size_t template_len,
                     const struct prl_options *options, const struct prl_config_facts *facts,
                     char **ret_json, size_t *ret_len, struct prl_error *reterr);
/* The same text for people: indented; malloc'd, NULL: no memory, or not JSON. */
char *prl_config_indent(const char *json, size_t len, size_t *ret_len);
/* With --rootfs the given template lends its defaults only: merge takes the root from
 * options->image and drops the template's binds, user, environment and command. */
/* The kernel refused the overlay (*error), the user left the choice to us, and fuse-overlayfs
 * is installed. */
bool prl_config_may_fall_back(const struct prl_options *options, const struct prl_error *error);
/* The same config.json with fuse-overlayfs as driver; *ret_json is malloc'd. */
int prl_config_fall_back(const char *json, size_t len, char **ret_json, size_t *ret_len,
                         struct prl_error *reterr);

struct prl_limits_plan; /* cgroup.h */
/* What holds each limit (io.pyrootless.limits.*) into *json, a malloc'd text that is replaced.
 */
int prl_config_rungs(const struct prl_limits_plan *plan, char **json, size_t *len,
                     struct prl_error *reterr);

/* The small files that the merged config.json binds out of container_dir.  The caller writes
 * them there (0644) before the launch.  Returns how many were filled, 0 … PRL_CONFIG_FILES. */
struct prl_config_file {
    const char *name; /* "hosts", "hostname", "resolv.conf" */
    char *content;    /* of the pool */
};
enum { PRL_CONFIG_FILES = 3 };
int prl_config_files(const struct prl_options *options, const struct prl_config_facts *facts,
                     struct prl_config_file ret[PRL_CONFIG_FILES], struct prl_error *reterr);
