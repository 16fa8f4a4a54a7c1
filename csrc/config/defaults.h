/* defaults.h: what the user's config.toml says of options, as Python wrote it down.
 * In: config.toml's place and time stamp, DATA/cache/options.  Out: words for
 * prl_options_default.  Never: TOML; a write. */
#pragma once

#include "prl.h"

/* malloc'd words, "NAME=VALUE" and a zero byte each; NULL and 0: there is no config.toml.
 * 1: what was written down is not of this config.toml; Python writes it
 * (pyrootless/engine/configuration.py). */
int prl_defaults_load(const char *data, char **ret, size_t *ret_len, struct prl_error *reterr);
