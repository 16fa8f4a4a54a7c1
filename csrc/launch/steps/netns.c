/* netns.c: a network namespace with loopback up, made beside the mounts.
 * In: a spec that asks for one.  Out: this process in it, "lo" up.
 * Never: anything on the host's network; a task that is still there when the program starts.
 * Source: netdevice(7), network_namespaces(7), futex(2).
 *
 * The kernel needs as long for a network namespace as for all mounts of a container.  So, on
 * more than one processor, a second task of the container makes it while this one mounts: in
 * the same user namespace, with this one's memory and descriptors.  It makes the IPC namespace
 * too, the next in size, shows both to be joined, and raises the loopback.  It is gone before
 * the program starts.
 */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/box.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Both tasks share errno, so a failure is noted here and reported by the other task. */
static int PRL_CHILD_SAFE note(struct prl_beside *b, long result, const char *call,
                               const char *subject)
{
    if (result >= 0)
        return (int)result;
    b->errnum = (int)-result;
    b->call = call;
    b->subject = subject;
    return -1;
}

/* Where both fail together, the one that also fails alone is named. */
static int PRL_CHILD_SAFE make_namespaces(struct prl_beside *b)
{
    long r = prl_sys_raw(SYS_unshare, PRL_RAW((long)b->namespaces));
    long net = r < 0 && b->namespaces & CLONE_NEWNET
                   ? prl_sys_raw(SYS_unshare, PRL_RAW(CLONE_NEWNET))
                   : 0;
    return net < 0 ? note(b, net, "unshare", "network namespace")
                   : note(b, r, "unshare", "IPC namespace");
}

static int PRL_CHILD_SAFE raise_loopback(struct prl_beside *b)
{
    const char *failed;
    b->stage = PRL_STAGE_NETWORK; /* what fails from here on is no matter of namespaces */
    if (b->without_loopback || !(b->namespaces & CLONE_NEWNET))
        return 0;
    long r = prl_sys_raise_loopback(&failed);
    return note(b, r, failed, failed[0] == 's' ? "AF_INET" : "lo");
}

/* By a descriptor of the task itself, or by /proc, whose first look costs a task twice as much:
 * FALLBACK: remove when kernel >= 6.11 is required. */
static int PRL_CHILD_SAFE open_own(struct prl_beside *b, long pidfd, long request,
                                   const char *path)
{
    long r = prl_sys_raw(SYS_ioctl, PRL_RAW(pidfd, request));
    if (r < 0)
        r = prl_sys_raw(SYS_openat,
                        PRL_RAW(AT_FDCWD, PRL_RAW_POINTER(path), O_RDONLY | O_CLOEXEC));
    return note(b, r, "open", path);
}

static int PRL_CHILD_SAFE show_namespaces(struct prl_beside *b)
{
    long own = prl_sys_raw(SYS_pidfd_open, PRL_RAW(prl_sys_raw(SYS_getpid, PRL_RAW(0)), 0));
    b->net_fd = open_own(b, own, PRL_PIDFD_GET_NET_NAMESPACE, "/proc/self/ns/net");
    if (b->net_fd >= 0 && b->namespaces & CLONE_NEWIPC)
        b->ipc_fd = open_own(b, own, PRL_PIDFD_GET_IPC_NAMESPACE, "/proc/self/ns/ipc");
    if (own >= 0)
        prl_sys_raw(SYS_close, PRL_RAW(own));
    if (b->call)
        return -1;
    __atomic_store_n(&b->awaited, 0, __ATOMIC_RELEASE);
    prl_sys_raw(SYS_futex, PRL_RAW(PRL_RAW_POINTER(&b->awaited), FUTEX_WAKE, 1));
    return 0;
}

static int PRL_CHILD_SAFE second_task(void *data)
{
    struct prl_setup *s = data;
    struct prl_beside *b = &s->beside;
    __atomic_store_n(&b->begun, true, __ATOMIC_RELAXED);
    if (make_namespaces(b) < 0)
        return 1;
    if (show_namespaces(b) < 0)
        return 1;
    return raise_loopback(b) < 0;
}

static int PRL_CHILD_SAFE fail_noted(const struct prl_beside *b, struct prl_error *reterr)
{
    return b->call ? prl_fail_with(reterr, b->stage, b->errnum, b->call, b->subject)
                   : prl_fail_with(reterr, b->stage, EIO, "waitid", "network namespace");
}

/* It takes number 2 and gives it back: what the program starts is numbered as if this task had
 * never been. */
static pid_t PRL_CHILD_SAFE begin_task(struct prl_setup *s)
{
    struct prl_sys_clone how = {.flags = CLONE_VM | CLONE_FILES,
                                .stack = s->beside_stack,
                                .stack_size = s->beside_stack_size,
                                .cgroup_fd = -1,
                                .cleared = &s->beside.awaited,
                                .quiet = true,
                                .tid = s->spec->namespaces & CLONE_NEWPID ? 2 : 0};
    pid_t pid = prl_sys_clone_run(&how, second_task, s);
    if (pid > 0 || how.tid == 0)
        return pid;
    how.tid =
        0; /* FALLBACK: remove when kernel >= 5.5 is required and no filter hides clone3 */
    return prl_sys_clone_run(&how, second_task, s);
}

/* A kernel that leaves the task in this processor's queue, as those of some virtual machines do
 * on purpose, would begin it when this one waits: nothing would be done beside.  Refused, that
 * costs time alone. */
static pid_t PRL_CHILD_SAFE begin_elsewhere(struct prl_setup *s)
{
    s->beside.awaited = 1;
    pid_t pid = begin_task(s);
    if (pid > 0)
        (void)prl_sys_place(pid, PRL_ON_OTHERS);
    return pid;
}

/* Where no second task can be had (one processor, a limit of one process), or the network is
 * shared, this one does the work. */
int PRL_CHILD_SAFE prl_netns_begin(struct prl_setup *s, struct prl_error *reterr)
{
    struct prl_beside *b = &s->beside;
    uint64_t wanted = s->beside_namespaces & ~(s->ready ? (uint64_t)CLONE_NEWNET : 0);
    /* The filter of a sandbox without a network refuses every protocol, so nothing could use
     * the loopback either. */
    bool unused = s->box && s->spec->network.helper == PRL_NETWORK_ALONE;
    /* Below a zygote processes have numbers that are known (PRL_BOX_BROUGHT), and nobody waits
     * for this box to be ready. */
    bool counted = s->box && s->box->zygote_fd >= 0;
    *b = (struct prl_beside){.net_fd = -1,
                             .ipc_fd = -1,
                             .namespaces = wanted,
                             .stage = PRL_STAGE_CLONE,
                             .without_loopback = unused};
    if (wanted & CLONE_NEWNET && s->spec->resources.pids != 1 && !counted &&
        prl_sys_processors() > 1)
        b->pid = begin_elsewhere(s);
    if (b->pid > 0)
        return 0;
    b->pid = 0;
    bool done = !wanted || (make_namespaces(b) == 0 && raise_loopback(b) == 0);
    return done ? 0 : fail_noted(b, reterr);
}

static uint64_t PRL_CHILD_SAFE used_ns(const struct rusage *usage)
{
    uint64_t seconds = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec);
    uint64_t us = (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
    return seconds * 1000000000u + us * 1000u;
}

/* Until it has shown its namespaces, or is gone. */
static void PRL_CHILD_SAFE await(struct prl_beside *b)
{
    bool begun = __atomic_load_n(&b->begun, __ATOMIC_RELAXED);
    if (__atomic_load_n(&b->awaited, __ATOMIC_ACQUIRE) == 0)
        return;
    /* This processor is free now: at once for a task that waits in a busy one's queue still. */
    (void)prl_sys_place(b->pid, begun ? PRL_ON_ANY : PRL_ON_THIS);
    while (__atomic_load_n(&b->awaited, __ATOMIC_ACQUIRE) != 0)
        if (syscall(SYS_futex, &b->awaited, FUTEX_WAIT, 1, NULL, NULL, 0) < 0 &&
            errno != EAGAIN && errno != EINTR)
            return; /* hidden by an outer filter: its end is waited for */
}

/* Asked first without waiting: while it still works, it may use this processor too. */
static int PRL_CHILD_SAFE end(struct prl_beside *b, uint64_t *ret_ns, struct prl_error *reterr)
{
    struct rusage usage;
    int status = 0;
    pid_t ended = wait4(b->pid, &status, __WALL | WNOHANG, &usage);
    if (ended == 0)
        (void)prl_sys_place(b->pid, PRL_ON_ANY);
    while (ended <= 0) {
        ended = wait4(b->pid, &status, __WALL, &usage);
        if (ended < 0 && errno != EINTR)
            return prl_fail(reterr, PRL_STAGE_CLONE, "wait4", "network namespace");
    }
    *ret_ns = used_ns(&usage);
    b->pid = 0;
    return status == 0 ? 0 : fail_noted(b, reterr);
}

static int PRL_CHILD_SAFE enter(struct prl_setup *s, struct prl_error *reterr)
{
    struct prl_beside *b = &s->beside;
    _cleanup_close_ int net_fd = b->net_fd, ipc_fd = b->ipc_fd;
    if (setns(net_fd, CLONE_NEWNET) == 0 && (ipc_fd < 0 || setns(ipc_fd, CLONE_NEWIPC) == 0))
        return 0;
    /* FALLBACK: where an outer filter hides setns; remove when none does */
    int r = prl_netns_end(s, reterr);
    if (r < 0)
        return r;
    return make_namespaces(b) < 0 || raise_loopback(b) < 0 ? fail_noted(b, reterr) : 0;
}

int PRL_CHILD_SAFE prl_netns_join(struct prl_setup *s, struct prl_error *reterr)
{
    return (s->box && s->spec->network.helper == PRL_NETWORK_ALONE && s->mounts_late_len == 0 &&
            s->spec->sysctls_len == 0)
               ? 0
               : prl_netns_join_late(s, reterr);
}

/* Nobody needs the loopback before the program starts, but the helper of a network. */
int PRL_CHILD_SAFE prl_netns_join_late(struct prl_setup *s, struct prl_error *reterr)
{
    struct prl_beside *b = &s->beside;
    if (b->pid <= 0 || b->joined)
        return 0;
    await(b);
    bool shown = __atomic_load_n(&b->awaited, __ATOMIC_ACQUIRE) == 0 && !b->call;
    bool whole = !shown || s->spec->network.helper != PRL_NETWORK_ALONE;
    int r = whole ? prl_netns_end(s, reterr) : 0;
    b->joined = true;
    return r < 0 ? r : enter(s, reterr);
}

int PRL_CHILD_SAFE prl_netns_end(struct prl_setup *s, struct prl_error *reterr)
{
    uint64_t ns;
    return s->beside.pid > 0 ? end(&s->beside, s->box ? &s->box->beside_ns : &ns, reterr) : 0;
}
