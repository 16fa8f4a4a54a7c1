/* update.h: options of `update` → another form of a container's spec.  See update.c. */
#pragma once

#include "config/options/exports.h"

/* spec: of prl_spec_read.  Errors: PRL_STAGE_OPTIONS. */
int prl_config_update(struct prl_spec *spec, const struct prl_options *options,
                      struct prl_error *reterr);
