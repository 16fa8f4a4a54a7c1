/* taskclock.h: the processor time of a process and all that descend from it.
 * In: the calling process, before it executes a program.  Out: a descriptor to read while the
 * tree runs and after it.  Never: a hardware counter, a privilege. */
#pragma once

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

/* Counts from the next exec on, in every thread and child born after it, reaped or not.  -1:
 * the kernel refuses (perf_event_paranoid 3, a filter).  The program could switch it off with
 * prctl(PR_TASK_PERF_EVENTS_DISABLE): its filter must refuse that. */
int prl_taskclock_open(void) PRL_CHILD_SAFE;
/* The same of a process with one thread, from now on. */
int prl_taskclock_open_for(pid_t pid);
/* Nanoseconds; 0 when it cannot be read. */
uint64_t prl_taskclock_read(int fd);
