/* steal.h: the time that a hypervisor took from the processors this process may use.
 * In: /proc/stat.  Out: nanoseconds.
 * Never: a read on a machine where nothing was ever taken, except the first: physical machines
 * pay nothing.
 *
 * A task's own clocks, and those of control groups, leave stolen time out; perf's includes it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Since the machine's start; 0: nothing, or the kernel does not tell. */
uint64_t prl_steal_begin(void);
/* The most that was taken since then; 0: surely nothing. */
uint64_t prl_steal_since(uint64_t before_ns);
/* It happens here. */
bool prl_steal_happens(void);
/* The figure of a clock that includes stolen time, without that time. least_ns: what was surely
 * used. */
uint64_t prl_steal_corrected(uint64_t clock_ns, uint64_t least_ns, uint64_t stolen_ns);
/* Of the text of /proc/stat, of the processors in a mask of so many bytes. */
uint64_t prl_steal_parse(const char *text, const unsigned char *mask, unsigned mask_bytes,
                         uint64_t tick_ns);
