/* launch_joined.c: the child of a launch in a user namespace below the holder's, or in that of
 * another container, whose network it shares.
 * In: a holder's pidfd, the maps as its namespace has them; or spec->neighbour.  Out: the
 * child, which is ours. Never: the caller in that namespace: nobody leaves one again.  So a
 * go-between that shares the caller's memory and descriptors enters it, makes the child there
 * for the caller (CLONE_PARENT), writes its maps with the power it has over them, and is gone.
 *
 * With a claim the child is born in namespaces that lay ready, with a neighbour in that one's;
 * then there are no maps to write.
 *
 * Whoever dies meanwhile, nobody is left behind: the child waits for a word on a socket whose
 * other end only the caller and the go-between have.  Source: setns(2), user_namespaces(7). */
#include "launch_joined.h"

#include "base/handover.h"
#include "base/io.h"
#include "base/own.h"
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { STACK_BYTES = 32 * 1024 };

struct join {
    struct prl_setup *s;
    const struct prl_sys_clone *how;
    int (*fn)(void *);
    int pid; /* of the child; 0: none */
    bool done;
    int errnum; /* why not; 0: not known */
};

static int PRL_CHILD_SAFE write_map(pid_t pid, const char *file, const char *text)
{
    char path[48] = "/proc/";
    prl_sys_decimal((uint64_t)pid, path + 6);
    memcpy(path + strlen(path), file, strlen(file) + 1);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : prl_io_write_all(fd, text, strlen(text));
}

static int PRL_CHILD_SAFE enter(const struct prl_setup *s)
{
    const uint64_t pair = CLONE_NEWUSER | CLONE_NEWNET;
    if (s->spec->neighbour)
        return prl_join_namespaces(s->spec->neighbour, pair);
    return setns(s->holder_fd, s->ready ? (int)pair : CLONE_NEWUSER);
}

static int PRL_CHILD_SAFE go_between(void *data)
{
    struct join *h = data;
    struct prl_setup *s = h->s;
    int word_fd = s->parent_fd; /* the child takes its own copy of it away */
    if (enter(s) < 0 || prl_sys_clone_run(h->how, h->fn, s) < 0) { /* fills h->pid */
        h->errnum = errno;
        return 1;
    }
    h->done = s->ready;
    if (h->done)
        return 0;
    if (write_map(h->pid, "/uid_map", s->uid_map) < 0 ||
        write_map(h->pid, "/gid_map", s->gid_map) < 0 || prl_handover_answer(word_fd) < 0)
        return 1;
    h->done = true;
    return 0;
}

static int run_go_between(struct join *h)
{
    int status;
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    const struct prl_sys_clone how = {.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES,
                                      .stack = stack,
                                      .stack_size = STACK_BYTES,
                                      .cgroup_fd = -1};
    pid_t pid = prl_sys_clone_run(&how, go_between, h);
    int r = pid < 0 ? -errno : 0;
    while (r == 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    munmap(stack, STACK_BYTES);
    if (r < 0 || h->done)
        return r;
    return h->errnum ? -h->errnum : -ESRCH;
}

static void abandon(struct prl_child *child)
{
    if (child->pid > 0) {
        kill(child->pid, SIGKILL); /* it stays ours until it is reaped */
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    child->pid = -1;
    prl_close_p(&child->pidfd);
}

/* Set up without a hand-over: then everybody may sleep until it executes. */
static bool needs_nobody(const struct prl_setup *s)
{
    return !s->asks && !s->spec->process.terminal && !s->box && !prl_box_wants_clock(s);
}

int prl_launch_joined(struct prl_setup *s, const struct prl_sys_clone *how, int (*fn)(void *),
                      struct prl_child *child)
{
    struct join join = {.s = s, .fn = fn};
    struct prl_sys_clone below = *how;
    int word_fd = s->parent_fd;
    below.flags |= CLONE_PARENT;
    if (s->ready)
        below.flags &= ~(uint64_t)(CLONE_NEWUSER | CLONE_NEWNET);
    if (s->ready && needs_nobody(s))
        below.flags |= CLONE_VFORK;
    below.ret_pid = &join.pid;
    join.how = &below;
    s->joined = true;
    int r = run_go_between(&join);
    if (join.pid > 0)
        child->pid = join.pid;
    if (r == 0) {
        child->joined = true;
        return 0;
    }
    abandon(child);
    s->parent_fd = word_fd;
    prl_setup_alone(s);
    return r;
}
