/* follow.h: the log of one container, and what it still writes.
 * In: a container as it lies on disk, what is wanted.  Out: text of its streams, until it has
 * ended.  Never: an interpreter; a wait for what has ended. */
#pragma once

#include "container/log/reader.h"
#include "container/state/record.h"

struct prl_log_follow;

/* dirs outlives it.  Errors: PRL_STAGE_STATE;
 * ENOENT: it has no log, and the sentence says why. */
int prl_log_follow_open(const struct prl_dirs *dirs, const struct prl_listed *row,
                        const struct prl_log_query *query, struct prl_log_follow **ret,
                        struct prl_error *reterr);
/* 1: *ret is filled; 0: that was all; -EINTR: a signal came; -errno. */
int prl_log_follow_next(struct prl_log_follow *follow, struct prl_log_text *ret);
void prl_log_follow_close(struct prl_log_follow *follow);
