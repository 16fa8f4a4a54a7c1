/* sys_waits.h: which system calls wait, and for how long at most.
 * In: a call's number and arguments, as /proc/PID/syscall shows them.  Out: endless, until a
 * time, or no wait.  Never: the memory of the process. */
#pragma once

#include <stdint.h>

enum prl_wait_kind {
    PRL_WAIT_NONE,     /* not one of the waits below: may go on by itself */
    PRL_WAIT_ENDLESS,  /* until somebody wakes it */
    PRL_WAIT_READER,   /* until somebody takes what was written */
    PRL_WAIT_MS,       /* `ms` milliseconds */
    PRL_WAIT_TIMESPEC, /* the struct timespec at `address`, by `clock` */
};

enum { PRL_WAIT_RELATIVE = -1 }; /* a duration and not a point in time */

struct prl_wait {
    enum prl_wait_kind kind;
    int64_t ms;
    uint64_t address;
    int clock; /* CLOCK_*, or PRL_WAIT_RELATIVE */
};

/* Which descriptors a call may wait for: of its first or second argument, or of a set. */
enum { PRL_WAITS_ON_FIRST = 1, PRL_WAITS_ON_SECOND = 2, PRL_WAITS_ON_MANY = 4 };

unsigned prl_sys_waits_on(long number); /* 0: for none */
struct prl_wait prl_sys_wait_of(long number, const uint64_t args[6]);
