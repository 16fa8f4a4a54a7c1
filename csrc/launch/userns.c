/* userns.c: the child of a launch whose user namespace lies below the holder's, or is
 * that of another container, whose network it shares. In: a holder's pidfd, the maps as its
 * namespace has them; or spec->shared_network.  Out: the child, which is the caller's. Never:
 * the caller in that namespace, because nobody can leave one again.  An intermediate process,
 * which shares the caller's memory and descriptors, enters it, makes the child there for the
 * caller (CLONE_PARENT), writes the child's maps, and ends.
 *
 * With spec->shared_network the child is born in the namespaces of the other container, and
 * there are no maps to write.
 *
 * If any of them dies meanwhile, no process is left behind: the child waits for a word on a
 * socket whose other end only the caller and the intermediate process have. Source: setns(2),
 * user_namespaces(7). */
#include "launch/userns.h"

#include "base/io.h"
#include "base/own.h"
#include "launch/prepare/setup.h"
#include "launch/steps/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

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
    if (s->spec->shared_network)
        return prl_join_namespaces(s->spec->shared_network, pair);
    return setns(s->holder_fd, CLONE_NEWUSER);
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

static int run_go_between(struct join *h, int (*work)(void *), void *data)
{
    void *stack = prl_sys_stack_map(STACK_BYTES);
    if (!stack)
        return -errno;
    const struct prl_sys_clone how = {.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES,
                                      .stack = stack,
                                      .stack_size = STACK_BYTES,
                                      .cgroup_fd = -1};
    pid_t pid = prl_sys_clone_run(&how, work, data);
    int r = pid < 0 ? -errno : 0;
    if (pid > 0)
        prl_sys_reap(pid, NULL);
    munmap(stack, STACK_BYTES);
    if (r < 0 || h->done)
        return r;
    return h->errnum ? -h->errnum : -ESRCH;
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
    int r = run_go_between(&join, go_between, &join);
    if (join.pid > 0)
        child->pid = join.pid;
    if (r == 0) {
        child->joined = true;
        return 0;
    }
    if (child->pid > 0) {
        kill(child->pid, SIGKILL); /* it stays ours until it is reaped */
        prl_sys_reap(child->pid, NULL);
    }
    child->pid = -1;
    prl_close_p(&child->pidfd);
    s->parent_fd = word_fd;
    prl_setup_alone(s);
    return r;
}

/* A namespace of process ids is entered by one's children, and one that has not entered it
 * itself cannot make another below it.  So the intermediate process makes a second one, for the
 * caller.
 */
struct below {
    struct join join;
    void *stack;
    int second_pid;
    bool entered;
};

static int PRL_CHILD_SAFE second_go_between(void *data)
{
    struct join *h = &((struct below *)data)->join;
    h->done = prl_sys_clone_run(h->how, h->fn, h->s) > 0;
    h->errnum = h->done ? 0 : errno;
    return 0;
}

static int PRL_CHILD_SAFE first_go_between(void *data)
{
    struct below *b = data;
    const struct prl_sys_clone how = {.flags =
                                          CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PARENT,
                                      .stack = b->stack,
                                      .stack_size = STACK_BYTES,
                                      .cgroup_fd = -1,
                                      .ret_pid = &b->second_pid};
    b->entered = setns(b->join.s->box->zygote_fd, CLONE_NEWUSER | CLONE_NEWPID) == 0;
    if (!b->entered || prl_sys_clone_run(&how, second_go_between, b) < 0)
        b->join.errnum = errno;
    return 0;
}

/* The second one knows its child by another number than the caller. */
static pid_t pid_of(int pidfd)
{
    char path[48], text[512];
    int pid = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    (void)prl_io_read_text(AT_FDCWD, path, text, sizeof text);
    const char *line = strstr(text, "Pid:");
    return line && sscanf(line, "Pid: %d", &pid) == 1 ? pid : -1;
}

int prl_launch_below(struct prl_setup *s, const struct prl_sys_clone *how, int (*fn)(void *),
                     struct prl_child *child, struct prl_error *reterr)
{
    struct prl_sys_clone clone = *how;
    struct below below = {.join = {.s = s, .fn = fn, .how = &clone},
                          .stack = prl_sys_stack_map(STACK_BYTES)};
    clone.flags |= CLONE_PARENT;
    int r = below.stack ? run_go_between(&below.join, first_go_between, &below) : -ENOMEM;
    if (below.second_pid > 0)
        prl_sys_reap(below.second_pid, NULL);
    if (below.stack)
        munmap(below.stack, STACK_BYTES);
    if (r < 0 && !below.entered)
        return prl_fail_with(reterr, PRL_STAGE_WARM, -r, "setns", "the zygote's namespaces");
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_CLONE, -r, "clone", "below the zygote");
    child->pid = pid_of(child->pidfd);
    if (child->pid > 0)
        return 0;
    (void)prl_sys_pidfd_send_signal(child->pidfd, SIGKILL);
    return prl_fail_with(reterr, PRL_STAGE_CLONE, ESRCH, "open", "/proc/self/fdinfo");
}
