/* results.h: the last results of a container's checks, for check.c.
 * In: results.  Out: `health.json` in docker's form.  Never: half a file. */
#pragma once

#include "container/health/check.h"

/* Until the next check. */
uint64_t prl_health_pause_ns(const struct prl_health_check *check, uint64_t now_ns);
/* One more, with the output that was heard; the oldest of them goes. */
void prl_health_keep(struct prl_health_check *check, int64_t start_ns, int64_t end_ns,
                     int code);
void prl_health_write(const struct prl_health_check *check);
void prl_health_forget(struct prl_health_check *check);
