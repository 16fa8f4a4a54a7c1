/* error.h: filling the one error record.
 * In: where, which call, on what.  Out: -errno.  Never: allocation, printing. */
#pragma once

#include "prl.h"

/* Functions that may run between clone and exec: no allocation, stdio, lock, name lookup. */
#define PRL_CHILD_SAFE __attribute__((nothrow))

/* errno is the reason.  Returns -errno.  Child-safe. */
int prl_fail(struct prl_error *reterr, enum prl_stage stage, const char *syscall,
             const char *subject);
/* errnum (positive) is the reason.  Returns -errnum.  Child-safe. */
int prl_fail_with(struct prl_error *reterr, enum prl_stage stage, int errnum,
                  const char *syscall, const char *subject);
/* A whole formatted sentence as subject.  Returns -errnum.  Not child-safe. */
int prl_failf(struct prl_error *reterr, enum prl_stage stage, int errnum, const char *syscall,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* One row per (stage, errno) that has something helpful to say.  errnum 0 matches any errno of
 * the stage. */
struct prl_remedy {
    uint16_t stage;
    int32_t errnum;
    char klass[24]; /* Python exception class name */
    char check[20]; /* doctor entry, or "" */
    char text[328]; /* the remedy, ending with a command where there is one */
};
extern const struct prl_remedy prl_remedies[]; /* ends with stage == PRL_STAGE_NONE */
const struct prl_remedy *prl_error_remedy(const struct prl_error *error);
