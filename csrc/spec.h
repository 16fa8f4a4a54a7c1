/* spec.h: what the spec room offers beside prl_spec_parse and prl_spec_free of prl.h.
 * In: names as config.json writes them.  Out: kernel numbers.  Never: opening a file. */
#pragma once

#include "prl.h"

#include <linux/capability.h>

enum { PRL_SPEC_MAX_BYTES = 4 << 20, PRL_SPEC_MAX_DEPTH = 64, PRL_SPEC_CAPABILITIES = 41 };

/* "CAP_CHOWN" → 0 … "CAP_CHECKPOINT_RESTORE" → 40; -1: no capability of that name. */
int prl_spec_capability(const char *name);
/* The other direction; NULL beyond the last one. */
const char *prl_spec_capability_name(unsigned number);
/* May its program mount file systems, by a capability of its own or of a user namespace below
 * that it makes?  Not where the default filter stands, and Landlock, which forbids it too. */
static inline bool prl_spec_may_mount(const struct prl_spec *spec)
{
    return (spec->process.caps[PRL_CAP_BOUNDING] >> CAP_SYS_ADMIN & 1) ||
           !spec->seccomp_program || !spec->landlock;
}

/* Another program in the place of the first one, for `exec`: what belonged to that one alone
 * goes, as prl_config_exec has it.  args outlive the spec. */
void prl_spec_take_program(struct prl_spec *spec, const char *const *args);
