/* parse.h: what the spec room offers beside prl_spec_parse and prl_spec_free of prl.h.
 * In: names as config.json writes them.  Out: kernel numbers.  Never: opening a file. */
#pragma once

#include "base/arena.h"
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

/* prl_spec_parse in two steps, between which a spec may be changed: config.json → spec, which
 * keeps what means nothing here (extras, seccomp_json); then what belongs together, and what
 * follows from it.  A launch template passes the first step alone. */
int prl_spec_read(const char *json, size_t len, struct prl_spec **ret,
                  struct prl_error *reterr);
int prl_spec_check(struct prl_spec *spec, struct prl_error *reterr);
/* The other direction: a spec that prl_spec_read gives again.  *ret is of the pool (pool.h)
 * and NUL-terminated.  Errors: EILSEQ, a text is not UTF-8; EINVAL, it is longer than is read.
 */
int prl_spec_write(const struct prl_spec *spec, char **ret, size_t *ret_len,
                   struct prl_error *reterr);

struct prl_spec_reader; /* json.h: the arena of what is put in, and the error */
/* notes.c: one annotation by its whole key; text NULL: it goes.  What is a field of the
 * spec is set there. */
int prl_spec_note_set(const struct prl_spec_reader *reader, struct prl_spec *spec,
                      const char *key, const char *text);
/* *ret NULL: there is none.  -ENOMEM, without an error. */
int prl_spec_note_get(struct prl_arena *arena, const struct prl_spec *spec, const char *key,
                      const char **ret);

int prl_spec_read_sysctl(const struct prl_spec_reader *reader, const char *key,
                         const char *value, struct prl_sysctl *ret);

/* Another program in the place of the first one, for `exec`: what belonged to that one alone
 * goes.  Its init stays: a program that joins gets none, and the limit on processes is counted
 * with it.  args outlive the spec. */
void prl_spec_take_program(struct prl_spec *spec, const char *const *args);
