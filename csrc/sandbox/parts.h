/* parts.h: what the files of the room "sandbox" share, alone.
 * In: one run.  Out: how long until the next look.  Never: a sleep. */
#pragma once

#include "container/monitor/exports.h"
#include "sandbox/deadlock/exports.h"
#include "sandbox/run.h"

struct prl_sandbox_watch {
    const struct prl_sandbox *want;
    struct prl_sandbox_report *report;
    struct prl_child child;
    struct prl_box box;
    struct prl_box_outcome outcome;
    int streams[PRL_STREAMS]; /* our ends; -1: lent by the caller, or closed */
    int lent[PRL_STREAMS];    /* the box's ends */
    uint64_t start_ns;        /* the program was executed */
    struct prl_cpu_tree tree; /* where /proc alone bills */
    uint64_t setup_ns;        /* what the first process used until then */
    pid_t brought_pid;        /* the copy that a zygote brought; 0: there is none */
    uint64_t brought_ns;      /* what that used until then */
    uint64_t cpu_before_ns;   /* what the clock showed then: set-up is not billed */
    uint64_t
        steal_before_ns; /* what a hypervisor had taken by then, where perf's clock bills */
    uint64_t cpu_next_ns, memory_next_ns, pipes_next_ns, idle_next_ns; /* CLOCK_MONOTONIC */
    uint64_t quiet_cpu_ns; /* the clock at the last look for idleness */
    uint64_t still_ns;     /* the first of the looks that found all waiting; 0: there is none */
    uint64_t still_mark;   /* and what it saw */
    uint64_t asked_ns;     /* a pair's other side asked; 0: it has not */
    uint64_t asked_next_ns;
    struct prl_sandbox_busy busy;
    uint64_t memory_seen_bytes;
    uint64_t put_bytes;             /* of files that were put in */
    struct prl_sandbox_noise noise; /* as it was in the beginning */
    bool has_outcome, has_noise, ended, killed;
};

/* run.c: nothing yet; pipes for what is captured; program → report; all closed, ended. */
void prl_sandbox_watch_init(struct prl_sandbox_watch *w, const struct prl_sandbox *want);
int prl_sandbox_streams(struct prl_sandbox_watch *w, struct prl_stdio *stdio,
                        struct prl_error *reterr);
/* 0: the failure r is that the files do not fit into the box, and the report says so; else r.
 */
int prl_sandbox_unfit(int r, const struct prl_error *error, struct prl_sandbox_report *ret);
int prl_sandbox_follow(struct prl_sandbox_watch *w, struct prl_error *reterr);
void prl_sandbox_close(struct prl_sandbox_watch *w);
/* The program runs, or is about to: clocks are set. */
void prl_sandbox_begin(struct prl_sandbox_watch *w);
/* Looks at its limits, pipes, a pair's question.  0: at the limit; else ns until it could be.
 */
enum { PRL_SANDBOX_LOOKS = 6 };
uint64_t prl_sandbox_look(struct prl_sandbox_watch *w, unsigned which, uint64_t now_ns);
unsigned prl_sandbox_look_flag(unsigned which);
/* Files that are put in are the caller's memory, all others in the tmpfs are the box's. */
void prl_sandbox_count_put(struct prl_sandbox_watch *w, const struct prl_box_file *files,
                           size_t len);
uint64_t prl_sandbox_files_bytes(const struct prl_sandbox_watch *w);
uint64_t prl_sandbox_cpu_final(struct prl_sandbox_watch *w); /* of the tree after its end */
/* stream.c: what is in the pipe.  1: over its limit. */
int prl_sandbox_take(struct prl_sandbox_watch *w, unsigned stream, struct prl_error *reterr);
/* The most memory that its largest process had: a killed process does not report it. */
void prl_sandbox_peak(struct prl_sandbox_watch *w);
/* Nothing in the box can ever run again, and nobody outside will wake it. True for the time
 * between two looks that recorded the same: nothing ran in between. */
bool prl_sandbox_stuck(const struct prl_sandbox_watch *w, uint64_t now_ns, uint64_t *ret_mark);
/* pipes.c: pipes are scarce, and this box has more than its share of them. */
bool prl_sandbox_takes_pipes(pid_t init);
/* sockets.c: what the kernel may keep for the sockets of a box without a group. */
uint64_t prl_sandbox_sockets_bytes(pid_t pid);
/* sandbox/deadlock/peer.c: a thread of a pair's box waits in a call that the other box must
 * end. */
bool prl_sandbox_awaits(const struct prl_sandbox_watch *w);
void prl_sandbox_noise_read(struct prl_sandbox_noise *ret);
void prl_sandbox_noise_since(const struct prl_sandbox_noise *before,
                             struct prl_sandbox_noise *ret);
