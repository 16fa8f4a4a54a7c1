/* join.c: one more program in a running container, as a list.
 * In: the container's spec with another process, its first process, three descriptors.
 * Out: a child of the caller in all namespaces and groups of the container, under the same
 * privileges.  Never: a moment in which the container could look into or trace what is not yet
 * its program (CVE-2016-9962): the memory shared until exec cannot be dumped, which to the
 * container means "not yours"; a descriptor of the host's beyond 0, 1, 2.
 *
 * Two processes, because joining a namespace of process ids is for one's children:
 *   joiner   enters the control groups and the namespaces, makes the child, is gone
 *   child    a child of ours (CLONE_PARENT), inside: the steps, then the program */
#include "launch/join.h"

#include "base/arena.h"
#include "base/own.h"
#include "base/trace.h"
#include "launch/prepare/setup.h"
#include "launch/report.h"
#include "limits/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

struct join {
    struct prl_setup setup;
    void *stack; /* of the child */
    pid_t pid;   /* of the child; 0: there is none */
};

typedef int (*join_step)(struct prl_setup *, struct prl_error *);

static int PRL_CHILD_SAFE run_steps(struct prl_setup *s, const join_step *steps, size_t len,
                                    struct prl_error *reterr)
{
    for (size_t i = 0; i < len; i++) {
        int r = steps[i](s, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

static int PRL_CHILD_SAFE child_main(void *data)
{
    static const join_step steps[] = {
        prl_join_root,      /* root_fd: what follows looks up from there */
        prl_terminal_apply, /* own pty, of the container's devpts */
        prl_stdio_apply,    /* 0, 1, 2; new session */
        prl_rlimits_apply,  /* */
        prl_box_meter,      /* a clock of its own */
        prl_fds_shed,       /* before chdir, as in a launch */
        prl_exec_chdir,     /* */
        prl_landlock_apply, /* */
        prl_exec_resolve,   /* no magic link on the way (CVE-2019-5736) */
    };
    struct prl_setup *s = data;
    struct prl_error error;
    memset(&error, 0, sizeof error);
    prl_trace_mark_child("clone");
    int r = run_steps(s, steps, sizeof steps / sizeof *steps, &error);
    prl_trace_mark_child("steps");
    if (r == 0)
        prl_launch_end(s, &error);
    ssize_t written = write(s->report_fd, &error, sizeof error);
    return written == sizeof error ? 127 : 125;
}

static int PRL_CHILD_SAFE joiner_main(void *data)
{
    static const join_step steps[] = {
        prl_devices_open_null, /* while the host's /dev is in reach */
        prl_cgroup_enter,      /* before the namespaces: the groups are the host's files */
        prl_join_enter,        /* the host is out of reach after this line */
    };
    struct join *join = data;
    struct prl_setup *s = &join->setup;
    struct prl_error error;
    memset(&error, 0, sizeof error);
    prl_close_p(&s->parent_fd);
    umask(s->spec->process.umask < 0 ? 0022 : (mode_t)s->spec->process.umask);
    int r = run_steps(s, steps, sizeof steps / sizeof *steps, &error);
    prl_trace_mark_child("namespaces");
    if (r == 0) {
        const struct prl_sys_clone how = {
            .flags = CLONE_VM | CLONE_PARENT | (join->setup.served ? 0 : CLONE_VFORK),
            .stack = join->stack,
            .stack_size = PRL_STACK_BYTES,
            .cgroup_fd = -1, /* the joiner's own */
        };
        join->pid = prl_sys_clone_run(&how, child_main, &join->setup);
        r = join->pid < 0 ? prl_fail(&error, PRL_STAGE_CLONE, "clone3", "in the container") : 0;
    }
    if (r == 0)
        return 0;
    join->pid = 0;
    return write(s->report_fd, &error, sizeof error) == sizeof error ? 127 : 125;
}

/* The caller sleeps until the joiner is gone, and, unless it is served, until the child has
 * executed its program. */
static int run_joiner(struct join *join, void *stack, int cgroup_fd, struct prl_child *child,
                      struct prl_error *reterr)
{
    const struct prl_sys_clone how = {
        .flags = CLONE_VM | CLONE_VFORK,
        .stack = stack,
        .stack_size = PRL_STACK_BYTES,
        .cgroup_fd = cgroup_fd,
    };
    child->start_ns = prl_sys_now_ns();
    pid_t joiner = prl_sys_clone_masked(&how, joiner_main, join);
    int r = joiner < 0 ? prl_fail(reterr, PRL_STAGE_CLONE, "clone3", "joiner")
                       : prl_sys_reap(joiner, NULL);
    if (join->pid <= 0)
        return r;
    child->pid = join->pid; /* ours, and so not another's before we reap it */
    child->pidfd = prl_sys_pidfd_open(join->pid);
    return 0;
}

static int join_prepared(struct join *join, int cgroup_fd, struct prl_child *child,
                         struct prl_error *reterr)
{
    struct prl_channels channels = PRL_CHANNELS_NONE;
    int r = prl_channels_open(&join->setup, &channels, reterr);
    void *stack = r < 0 ? NULL : prl_stack_map();
    join->stack = stack ? prl_stack_map() : NULL;
    if (r == 0 && !join->stack)
        r = prl_fail(reterr, PRL_STAGE_CLONE, "mmap", "stack of the set-up process");
    if (r == 0)
        r = run_joiner(join, stack, cgroup_fd, child, reterr);
    if (r == 0)
        r = prl_channels_follow(&join->setup, &channels, child, reterr);
    if (r < 0)
        prl_child_close(child); /* it is gone before its stack is */
    prl_channels_close(&channels);
    prl_stack_unmap(join->stack);
    prl_stack_unmap(stack);
    return r;
}

/* Written here, because this process cannot write the file once nobody may look into it. The
 * launcher lives only for this program, and may be killed with it. */
static int set_oom_score(const struct prl_process *process, struct prl_error *reterr)
{
    if (!process->has_oom_score_adj)
        return 0;
    _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || dprintf(fd, "%d", process->oom_score_adj) < 0)
        return prl_fail(reterr, PRL_STAGE_SYSCTL, "write", "/proc/self/oom_score_adj");
    return 0;
}

/* The groups are the container's; only the watchdog's limit is kept. */
static int join_limited(struct join *join, struct prl_child *child, struct prl_error *reterr)
{
    const struct prl_spec *spec = join->setup.spec;
    struct prl_cgroups *groups;
    int r = prl_cgroups_open(spec, &groups, reterr);
    if (r < 0)
        return r;
    join->setup.cgroup_fds_len = prl_cgroups_entries(groups, join->setup.cgroup_fds);
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    r = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0
            ? prl_fail(reterr, PRL_STAGE_CLONE, "prctl", "PR_SET_DUMPABLE")
            : join_prepared(join, prl_cgroups_born_fd(groups), child, reterr);
    if (dumpable == 1)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    prl_cgroups_lend(&groups);
    prl_cgroups_take_clock(groups, steal_fd(&join->setup.clock_fd));
    if (r < 0) {
        prl_cgroups_forget(groups);
        return r;
    }
    child->cgroups = groups;
    child->companion = groups ? join->setup.target->pid : 0;
    return 0;
}

int prl_join(const struct prl_spec *spec, const struct prl_joinable *target,
             const struct prl_stdio *stdio, struct prl_child *ret, struct prl_error *reterr)
{
    struct join join = {.pid = 0};
    struct prl_child child = {.pid = -1, .pidfd = -1, .terminal_fd = -1};
    struct prl_arena *arena = prl_arena_new();
    if (!arena)
        return prl_fail_with(reterr, PRL_STAGE_CLONE, ENOMEM, "malloc", "launch");
    int r = set_oom_score(&spec->process, reterr);
    if (r == 0)
        r = prl_prepare_join(spec, target, arena, &join.setup, reterr);
    prl_trace_mark("prepare");
    if (r == 0) {
        memcpy(join.setup.stdio, stdio->fds, sizeof join.setup.stdio);
        r = join_limited(&join, &child, reterr);
    }
    prl_arena_free(arena);
    prl_trace_mark("exec");
    if (r == 0)
        *ret = child;
    return r;
}
