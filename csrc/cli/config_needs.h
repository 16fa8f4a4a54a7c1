/* config_needs.h: what the merge asks of this machine, so that a start like one before can tell
 * whether the answers are the same (recall.c).
 * In: an option.  Out: the kind of its question.  Never: an answer. */
#pragma once

/* What an option's effect depends on beside its text and prl_config_facts. */
enum prl_config_needs {
    PRL_NEEDS_NOTHING,
    PRL_NEEDS_GROUPS, /* the control groups of this host (prl_cgroup_look_first) */
    PRL_NEEDS_MORE,   /* than anybody has written down */
};

enum prl_config_needs prl_config_needs(const char *name, const char *text);
/* What of this machine, beside the template, says which ids there are. */
unsigned prl_config_ids_here(void);
