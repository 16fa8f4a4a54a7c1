/* exec.h: programs that a monitor's clients had started in the container.
 * In: words of `exec`, streams.  Out: a process of the launcher that runs one, its exit status.
 * Never: a way into the container of its own: `pyrootless exec` is executed. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct prl_execution {
    pid_t pid; /* of the launcher, a child of the monitor; 0: this place is free */
    int pidfd;
    uint64_t client; /* its number: who is told */
};

/* argv[0] of a check of the health, which is told to nobody. */
#define PRL_EXECUTION_CHECK "pyrootless-health"

struct prl_execution_wish {
    const char *title;     /* argv[0]; NULL: pyrootless */
    const char *data, *id; /* the store and the container */
    const char *words;     /* each with its NUL: options, then the program */
    size_t len;
    int options;        /* so many of them are options */
    const int *streams; /* three descriptors; -1: /dev/null */
};

/* -EPROTO: the words are none; -ENOSYS: no process can be waited for by a descriptor here. */
int prl_execution_start(struct prl_execution *execution, const struct prl_execution_wish *wish);
/* Its exit status, as a shell sees it; it is reaped, and the place is free again.  -1: it still
 * runs. */
int prl_execution_reap(struct prl_execution *execution);
