/* facts.h: what is known of this machine's network helpers.
 * In: DATA/cache/network.json, which pyrootless/engine/network.py writes.  Out: the facts, when
 * they are still true.  Never: a trial: Python makes those, once for a machine and kernel. */
#pragma once

#include "config/options/exports.h"

#include <limits.h>

struct prl_network_facts {
    char pasta[256], slirp[256];   /* absolute paths; "": not there */
    bool pasta_gateway;            /* this pasta knows --map-guest-addr */
    bool pasta_works, slirp_works; /* no trial showed the opposite */
    char chosen[16];               /* "pasta", "slirp4netns"; "": not tried, or none works */
    char reason[160];              /* why none works; "": one does, or not tried */
};

/* helper.c: which network the options ask for. */
enum prl_value_network prl_config_network_kind(const struct prl_options *options);

/* 0: *ret is true.  1: no facts, of another kernel, or a helper came, went or changed. */
int prl_network_facts_load(const char *data_dir, struct prl_network_facts *ret);
/* Does this launch need facts that are not there? */
bool prl_network_facts_missing(const struct prl_options *options, const char *data_dir);
