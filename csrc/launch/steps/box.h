/* box.h: what a sandbox asks of a launch beyond its spec, and what it gets back.
 * In: files for the container's tree, whether to meter, whether more files follow.  Out:
 * descriptors of the box, and the record of its init.  Never: anything the program inside can
 * write. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* The program's number in a box below a zygote: process 2 brought it and has ended. */
enum { PRL_BOX_BROUGHT = 3 };

/* One file or directory; parents come before what is in them.  Relative to the container's "/",
 * no empty, "." or ".." component.  A directory that is there already stays as it is. */
struct prl_box_file {
    const char *path;
    const void *data; /* where there is no fd */
    size_t len;       /* of a descriptor's file: no more than this is read */
    int fd;           /* of a file of the caller's, read from its beginning; -1 */
    uint32_t mode;    /* permission bits */
    bool directory;
};

struct prl_box {
    const struct prl_box_file *files;
    size_t files_len;
    bool meter; /* open a clock of the whole tree's processor time, where the kernel lets us */
    bool later; /* files are put in once more, through root_fd, before the program begins */
    uint64_t beside_ns; /* filled: processor time of a second task of the set-up */
    int zygote_fd; /* pidfd: below this process's namespaces, and it brings the program; -1 */
    /* Filled by the launch, owned by the caller, -1 when there is none. */
    int scratch_fd; /* O_PATH: the upper of the overlay, alive as long as this is open */
    int clock_fd;   /* limits/taskclock.h */
    int outcome_fd; /* carries one prl_box_outcome, when the program has ended */
    int root_fd;    /* only with `later`: "/" of the container */
};

#define PRL_BOX_NONE                                                                           \
    (struct prl_box)                                                                           \
    {                                                                                          \
        .zygote_fd = -1, .scratch_fd = -1, .clock_fd = -1, .outcome_fd = -1, .root_fd = -1     \
    }

/* Written by the init, which the program can neither read nor stop. */
struct prl_box_outcome {
    int32_t status; /* as wait4(2) tells it */
    int32_t reserved;
    struct rusage usage;       /* of the program and what it reaped */
    int64_t start_s, start_ns; /* CLOCK_MONOTONIC just before the program was made; 0: it was
                                  brought */
};
