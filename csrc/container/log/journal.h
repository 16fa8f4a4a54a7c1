/* journal.h: the machine's journal, as a place for a log; for writer.c.
 * In: lines.  Out: datagrams of its native protocol.  Never: a wait: what it does not take is
 * lost and counted. */
#pragma once

#include "container/log/writer.h"

/* -errno: there is no journal here. */
int prl_log_journal_open(struct prl_log *log);
/* false: it was not taken. */
bool prl_log_journal_send(const struct prl_log *log, const struct prl_log_line *line);
