/* merge.h: options + launch template → the spec of a launch.
 * In: a template's spec, options, facts about this start.  Out: that spec, changed.
 * Never: writing a file; it may read --env-file, --spec-like inputs and stat volume sources. */
#pragma once

#include "config/facts.h"
#include "config/options/exports.h"

/* --allow-host → the rows of io.pyrootless.network.allow, malloc'd in place of the former *ret;
 * NULL: no list.  Asks this host's resolver. */
int prl_config_allow_resolve(const struct prl_options *options, char **ret,
                             struct prl_error *reterr);
/* spec: a template's (prl_spec_read), which becomes that of a launch. */
int prl_config_merge(struct prl_spec *spec, const struct prl_options *options,
                     const struct prl_config_facts *facts, struct prl_error *reterr);
/* With --rootfs the given template lends its defaults only: merge takes the root from
 * options->image and drops the template's binds, user, environment and command. */

/* The small files that the merged config.json binds out of container_dir.  The caller writes
 * them there (0644) before the launch.  Returns how many were filled, 0 … PRL_CONFIG_FILES. */
int prl_config_files(const struct prl_options *options, const struct prl_config_facts *facts,
                     struct prl_config_file ret[PRL_CONFIG_FILES], struct prl_error *reterr);
