/* trace.h: where a launch spent its time, when PYROOTLESS_TRACE=1 asks.
 * In: the name of a step, when it is done.  Out: one line a step.  Never: a cost worth naming
 * when nobody asks (one branch a step); memory taken between clone and exec. */
#pragma once

#include "base/error.h"

/* Start the clock, if the environment asks.  Only the launcher does: a process with threads
 * could be launching twice at a time. */
void prl_trace_begin(void);
/* The step `name` (kept, not copied) ended now, and the next one begins. */
void prl_trace_mark(const char *name);
/* The same in the child, which shares its parent's memory until it executes. */
void prl_trace_mark_child(const char *name) PRL_CHILD_SAFE;
/* One line for each step, and the sum, on fd. */
void prl_trace_print(int fd);
