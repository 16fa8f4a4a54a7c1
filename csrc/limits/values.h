/* values.h: limits, written to the files of a control group of version 2.
 * In: an open group, texts.  Out: the files written.  Never: a limit's meaning. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct prl_group_text {
    const char *name, *value; /* the value lies in `room`, or with the caller */
    bool may_miss;            /* it is no failure when there is no such file */
    char room[56];
};

/* -errno: *ret_failed could not be written. */
int prl_group_texts_write(int dir_fd, const struct prl_group_text *texts, size_t len,
                          const struct prl_group_text **ret_failed);
