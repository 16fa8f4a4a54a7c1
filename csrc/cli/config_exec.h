/* config_exec.h: the config.json of a program that joins a running container.  See
 * config_exec.c. */
#pragma once

#include "cli/config.h"

/* The config.json of a running container → the same with the program that `exec` starts in it;
 * *ret_json is malloc'd, NUL-terminated. */
int prl_config_exec(const char *json, const struct prl_options *options,
                    const struct prl_config_facts *facts, char **ret_json,
                    struct prl_error *reterr);
