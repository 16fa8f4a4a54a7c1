/* run.h: one run of a program nobody has read: launched, limited, measured, described.
 *
 * The line: launch (box) → watch (streams, clock, memory, idleness) → end → measure.
 * Or in two halves: hold (box, set up to the program) … go (files, program) → the same.
 * In: a spec with an init, limits, files.  Out: prl_sandbox_report.
 * Never: a verdict (pyrootless/sandbox/verdict.py gives it); a fact the program could write. */
#pragma once

#include "launch/steps/exports.h"
#include "prl.h"

enum { PRL_STREAM_OUT, PRL_STREAM_ERR, PRL_STREAMS };

/* Every limit that was touched. */
enum prl_sandbox_flag {
    PRL_TOUCHED_CPU = 1,
    PRL_TOUCHED_WALL = 2,
    PRL_TOUCHED_MEMORY = 4,
    PRL_TOUCHED_STDOUT = 8,
    PRL_TOUCHED_STDERR = 16,
    PRL_TOUCHED_DISK = 32,
    PRL_TOUCHED_INODES = 64,
    PRL_TOUCHED_PROCESSES = 128,
    PRL_TOUCHED_IDLE = 256, /* nothing inside could ever run again */
};

enum prl_sandbox_clock {
    PRL_CLOCK_NONE,
    PRL_CLOCK_CGROUP2,
    PRL_CLOCK_CGROUP1,
    PRL_CLOCK_PERF,
    PRL_CLOCK_PROC
};

enum { PRL_UNFIT_BYTES = 256 };

struct prl_sandbox_limits {
    uint64_t cpu_ns, wall_ns;           /* 0: none */
    uint64_t idle_ns;                   /* quiet for so long: looked at whether it is stuck */
    uint64_t stream_bytes[PRL_STREAMS]; /* kept, and allowed; UINT64_MAX: no end */
    unsigned processors;                /* that the program can use at once */
};

struct prl_sandbox_stream {
    char *data; /* malloc'd */
    size_t len, size;
};

/* The machine's noise during the run, without its first milliseconds. */
struct prl_sandbox_noise {
    uint64_t cpu_stall_ns, memory_stall_ns, io_stall_ns; /* some task of the machine waited */
    uint64_t steal_ns; /* the hypervisor took, all processors */
};

struct prl_sandbox_report {
    int32_t wait_status; /* of the program, as wait4(2) tells it; -1: it did not live to end */
    uint32_t touched;    /* enum prl_sandbox_flag */
    uint32_t killed_for; /* the one flag for which we ended it; 0: it ended itself */
    uint32_t clock;      /* enum prl_sandbox_clock */
    bool clock_exact;    /* it bills the box's own time, all of it and no other */
    uint64_t cpu_ns, user_ns, system_ns, wall_ns;
    uint64_t memory_peak_bytes;
    uint64_t yields, preemptions; /* switches to others, of the program and what it reaped; of
                                     all that was reaped when it did not live to end */
    uint32_t processes_peak;      /* without the init; 0: nothing counted */
    bool processes_exact;
    bool running; /* at the wall limit: it was busy, or kept waiting by others, not idle */
    struct prl_sandbox_stream streams[PRL_STREAMS];
    struct prl_sandbox_noise noise;
    struct prl_status status;    /* what held the limits, and usage */
    char unfit[PRL_UNFIT_BYTES]; /* the file at which the disk was full before the program could
                                    begin, which it then did not; "" */
    int scratch_fd;              /* the box's upper, for collecting; the caller's; -1 */
    int mounts_fd; /* its mount namespace, where neither that nor the scratch is waited for; -1
                    */
};

#define PRL_SANDBOX_REPORT_NONE                                                                \
    (struct prl_sandbox_report)                                                                \
    {                                                                                          \
        .wait_status = -1, .scratch_fd = -1, .mounts_fd = -1                                   \
    }

struct prl_zygote;
struct prl_sandbox_pair; /* sandbox/deadlock/pair.h */

struct prl_sandbox {
    const struct prl_spec *spec;
    int stdio[3]; /* lent; stdout and stderr -1: captured; stdin -1: /dev/null */
    struct prl_box_file *files;
    size_t files_len;
    struct prl_sandbox_limits limits;
    bool clock; /* perf's may bill it */
    bool left; /* nothing in the box is the caller's, so nobody waits until it is taken apart */
    struct prl_zygote
        *zygote; /* brings the program of a held box; NULL: the start barrier executes it */
    struct prl_sandbox_pair *pair; /* its input and output lead to the other box of it; NULL */
    unsigned side;                 /* 0: ended when both wait; 1 */
};

/* What a held box is to run. */
struct prl_sandbox_go {
    struct prl_wish program;
    const struct prl_box_file *files;
    size_t files_len;
    struct prl_sandbox_limits limits;
};

struct prl_sandbox_held;

struct prl_cgroup_host; /* limits/groups.h */

/* What may enforce limits; a caller may leave some of it out, to try weaker means. */
struct prl_sandbox_host {
    const struct prl_cgroup_host *groups;
    bool clock; /* perf's, where the kernel has it */
};

/* Fill the spec's enforcement and control groups. If the spec says "strict", -EOPNOTSUPP when a
 * limit would not be enforced exactly. */
int prl_sandbox_plan(struct prl_spec *spec, const struct prl_sandbox_host *host,
                     struct prl_error *reterr);
/* Which of its groups bills processor time; PRL_CLOCK_NONE: none of them. */
enum prl_sandbox_clock prl_sandbox_group_clock(const struct prl_spec *spec);
/* A new id, which tells who made it. */
void prl_sandbox_id(char ret[65]);
/* Remove the control groups of callers that were killed. */
void prl_sandbox_sweep(const struct prl_cgroup_host *host);
/* Blocks until the box and everything in it is gone.  Files that its disk cannot hold are no
 * failure: the report says so, and killed_for is the disk or its inodes. */
int prl_sandbox_run(const struct prl_sandbox *want, struct prl_sandbox_report *ret,
                    struct prl_error *reterr);
void prl_sandbox_report_free(struct prl_sandbox_report *report);
/* held.c.  The same up to just before the program, files of `want` put in; its limits
 * and its stdin do not matter yet.  The spec must outlive the box.  The calling thread must
 * too: its end kills it (prl_launch_held). */
int prl_sandbox_hold(const struct prl_sandbox *want, struct prl_sandbox_held **ret,
                     struct prl_error *reterr);
/* Once for each.  Blocks until everything in the box is gone; what is left is taken apart by
 * prl_sandbox_held_free. */
int prl_sandbox_release(struct prl_sandbox_held *held, const struct prl_sandbox_go *go,
                        struct prl_sandbox_report *ret, struct prl_error *reterr);
/* Readable when the box has ended; the box's own; -1: the kernel has none. */
int prl_sandbox_held_pidfd(const struct prl_sandbox_held *held);
/* Kills what still lives; safe on NULL. */
void prl_sandbox_held_free(struct prl_sandbox_held *held);
