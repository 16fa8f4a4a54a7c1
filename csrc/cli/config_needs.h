/* config_needs.h: what the merge asks of this machine, so that a start like one before can tell
 * whether the answers are the same (recall_facts.c).
 * In: an option.  Out: the kinds of its questions; what a question is about.
 * Never: an answer that the merge would not get. */
#pragma once

#include "cli/options.h"

#include <stddef.h>

/* What an option's effect depends on beside its text and prl_config_facts. */
enum prl_config_needs {
    PRL_NEEDS_NOTHING = 0,
    PRL_NEEDS_GROUPS = 1 << 0,   /* the control groups of this host (prl_cgroup_look_first) */
    PRL_NEEDS_PATH = 1 << 1,     /* where a path of the host leads to, and to which device */
    PRL_NEEDS_VARIABLE = 1 << 2, /* the caller's variable of this name */
    PRL_NEEDS_NETWORK = 1 << 3,  /* which helper there is, and the host's first name server */
    PRL_NEEDS_LINES = 1 << 4,    /* the text of a file, and the variables of the lines alone */
    PRL_NEEDS_ROOT = 1 << 5,     /* a directory that is no image: users and groups in it */
    PRL_NEEDS_HIERARCHIES = 1 << 7, /* all of them (prl_cgroup_look_apart) */
    PRL_NEEDS_MORE = 1 << 6,        /* more than anybody has written down */
};

/* These bits of one option. */
unsigned prl_config_needs(const char *name, const char *text);
/* config_volume.c: the path of the host that an option names, as it was typed, malloc'd; NULL:
 * none, or the option is not understood. */
char *prl_config_source(const char *name, const char *text);
/* config_root.c: the directory of --rootfs as it was typed, without ":O", malloc'd. */
char *prl_config_rootfs_path(const char *typed);
/* config_network.c: all that is asked about the network, as text; false: there is none. */
bool prl_config_network_facts(const struct prl_options *options, const char *data_dir,
                              char *buf, size_t size);
/* What of this machine, beside the template, says which ids there are. */
unsigned prl_config_ids_here(void);
