/* busy.h: how much of its time did a box run, or wait for a processor?
 * In: a running box.  Out: nanoseconds, yes or no.
 * Never: a decision from one look: the processes that live when the wall limit passes tell
 * nothing about those that lived before. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct prl_sandbox_watch;

struct prl_sandbox_busy {
    uint64_t next_ns, at_ns; /* CLOCK_MONOTONIC: the next look, and the last one */
    uint64_t cpu_ns;         /* what had been used by then */
    uint64_t sum_ns;         /* of the times between looks in which it was busy */
};

/* The program begins now. */
void prl_sandbox_busy_begin(struct prl_sandbox_watch *w, uint64_t now_ns);
/* A look that is due; what was used so far.  Nanoseconds until the next. */
uint64_t prl_sandbox_busy_look(struct prl_sandbox_watch *w, uint64_t now_ns, uint64_t cpu_ns);
/* For at least half of the wall limit it had a processor or waited for one. */
bool prl_sandbox_busy(const struct prl_sandbox_watch *w);
/* Of /proc/PID/task/TID/stat; '?': it is gone. */
char prl_sandbox_thread_state(pid_t pid, const char *tid);
