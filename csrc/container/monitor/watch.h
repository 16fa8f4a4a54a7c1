/* watch.h: the memory of a container without a control group, summed from outside.
 * In: its first process, a limit.  Out: how much it uses, when to look again.
 * Never: killing; a promise: between two looks a program may use more. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Memory of a process, another one (0: none) and all their descendants, each shared page
 * counted once: the sum of what is resident, or of the proportional shares when that sum is
 * above limit_bytes.  files_bytes: of files in memory that are theirs, mapped or not, to be
 * counted once; NULL: such files count where they are mapped. */
uint64_t prl_watch_memory(pid_t pid, pid_t companion, uint64_t limit_bytes,
                          const uint64_t *files_bytes);
/* How long the fastest program needs to use what is left. */
uint64_t prl_watch_pause_ns(uint64_t used_bytes, uint64_t limit_bytes);
