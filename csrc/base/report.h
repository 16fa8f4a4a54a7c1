/* report.h: the records that a set-up process leaves before its exec; see report.c. */
#pragma once

#include "base/error.h"

/* A marker, then end of file: it runs.  A record: that failed.  Neither: it died.  0 or -errno.
 */
int prl_report_read(int fd, struct prl_error *reterr);

/* What it has said by now, without waiting: a record's -errno; 0 (reterr as it was): none. */
int prl_report_said(int fd, struct prl_error *reterr);
