/* config.h: options + launch template → config.json.
 * In: template bytes, options, facts about this start.  Out: config.json bytes.
 * Never: writing a file; it may read --env-file, --spec-like inputs and stat volume sources. */
#pragma once

#include "cli/options.h"

struct prl_config_facts {
    const char *id;   /* container id, 64 hex digits */
    const char *name; /* or NULL */
    const char
        *container_dir; /* where upper/ and work/ live; NULL when there is none (tmpfs upper) */
    const char *data_dir,
        *runtime_dir; /* the engine's own directories, to be kept out of volumes */
    uid_t uid;        /* caller, becomes hostID of the map */
    gid_t gid;
    unsigned short rows, columns; /* the caller's terminal, 0 if none */
};

/* *ret_json is malloc'd, NUL-terminated. */
int prl_config_merge(const char *template_json, size_t template_len,
                     const struct prl_options *options, const struct prl_config_facts *facts,
                     char **ret_json, size_t *ret_len, struct prl_error *reterr);
/* The template of --rootfs DIR[:O]: the base template (given) with this root. Same ownership as
 * above. */
