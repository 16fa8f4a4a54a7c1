/* cpu.h: the processor time of a container, and when its limit can be reached.
 * In: its first process, its control groups or its clock.  Out: nanoseconds.
 * Never: killing; a tick: processor time cannot be used faster than the processors have it. */
#pragma once

#include "prl.h"

/* Of each process at the last look, where /proc alone bills. */
struct prl_cpu_seen {
    pid_t pid;
    uint64_t cpu_ns;
};

struct prl_cpu_tree {
    struct prl_cpu_seen *seen; /* malloc'd */
    size_t seen_len;
    uint64_t vanished_ns; /* of those that were seen and are gone */
};

/* Of a living process with all its threads; 0: it is gone. */
uint64_t prl_cpu_of(pid_t pid);
/* As /proc shows it: of those that live, and of the others what was reaped or what was seen of
 * them, whichever is more. */
uint64_t prl_cpu_tree_ns(struct prl_cpu_tree *tree, pid_t pid);
void prl_cpu_tree_free(struct prl_cpu_tree *tree);
/* Until `left_ns` can be used up by so many processors; `blind`: what ends unreaped in between
 * is not seen. */
uint64_t prl_cpu_pause_ns(uint64_t left_ns, unsigned processors, bool blind);

/* The limit of one container. */
struct prl_cpu_watch {
    uint64_t limit_ns; /* 0: there is none that the monitor holds */
    enum prl_enforcement held_by;
    unsigned processors;
    uint64_t before_ns;             /* of the set-up, which is not billed: by the group, */
    uint64_t tree_before_ns;        /* by /proc */
    uint64_t steal_before_ns;       /* what a hypervisor had taken, where perf's clock bills */
    uint64_t used_ns, next_look_ns; /* so far; CLOCK_MONOTONIC */
    struct prl_cpu_tree tree;
};

void prl_cpu_watch_begin(struct prl_cpu_watch *w, const struct prl_child *child);
/* 0: the limit is reached; else nanoseconds until it could be at the earliest. */
uint64_t prl_cpu_watch_look(struct prl_cpu_watch *w, const struct prl_child *child,
                            uint64_t now_ns);
/* After the end: what was used. */
uint64_t prl_cpu_watch_end(struct prl_cpu_watch *w, const struct prl_child *child);
