/* monitor_fixture.h: ordinary children in the container's place.
 * In: what the child does.  Out: a prl_child, a byte when the child is ready.
 * Never: a clock that decides. */
#pragma once

#include "prl.h"

#include "base/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int ready[2]; /* a child says "ready" here */

static inline void say_ready(void)
{
    (void)!write(ready[1], "r", 1);
}

static inline void wait_ready(void)
{
    char byte;
    (void)!read(ready[0], &byte, 1);
}

static inline struct prl_child start(void (*body)(void *), void *arg)
{
    struct prl_child child = {.pidfd = -1, .terminal_fd = -1, .start_ns = prl_sys_now_ns()};
    fflush(stdout);
    child.pid = fork();
    if (child.pid == 0) {
        body(arg);
        _exit(0);
    }
    child.pidfd = prl_sys_pidfd_open(child.pid);
    return child;
}

static inline int end_of(struct prl_child *child, uint64_t limit_ns, struct prl_status *status)
{
    struct prl_error error = {0};
    int r = prl_child_wait(child, limit_ns, status, &error);
    prl_child_close(child);
    return r;
}

static inline void body_pause(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

__attribute__((constructor)) static void open_ready(void)
{
    (void)!pipe2(ready, O_CLOEXEC);
}
