/* monitor_fixture.h: ordinary children in the container's place.
 * In: what the child does.  Out: a prl_child, a byte when the child is ready.
 * Never: a clock that decides. */
#pragma once

#include "prl.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ready[2]; /* a child says "ready" here */
static int once[2];  /* and is told to go on here, or says so */

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
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody */
        body(arg);
        _exit(0);
    }
    child.pidfd = prl_sys_pidfd_open(child.pid);
    return child;
}

static inline void say_once(void)
{
    (void)!write(once[1], "o\n", 2);
}

static int first_process_available;

/* fork in a fresh pid namespace: an intermediate process makes it, and hands its child to us.
 */
static inline struct prl_child start_first(void (*body)(void *), void *arg)
{
    struct prl_child child = {.pidfd = -1, .terminal_fd = -1, .start_ns = prl_sys_now_ns()};
    uint64_t flags = CLONE_NEWUSER | CLONE_NEWPID;
    fflush(stdout);
    child.pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody */
        body(arg);
        _exit(0);
    }
    first_process_available = child.pid > 0;
    if (first_process_available)
        child.pidfd = prl_sys_pidfd_open(child.pid);
    else
        printf("  skipped: no user namespaces here (%s)\n", strerror(errno));
    return child;
}

/* The child said "ready" and goes to sleep next: in sigwait, poll or pause. */
static inline void wait_asleep(pid_t pid)
{
    char path[32], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        (void)!read(fd, text, sizeof text - 1);
        close(fd);
    } while (!strstr(text, ") S ") && sched_yield() == 0);
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
    (void)!pipe2(once, O_CLOEXEC);
}
