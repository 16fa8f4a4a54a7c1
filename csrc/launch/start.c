/* start.c: the launch as a list: prepare, clone, serve, report.
 * In: a spec and three descriptors.  Out: a running container, or the record of the step that
 * failed. Never: a copy of the caller's memory (the child shares it until exec); waiting for
 * the child beyond exec; a half-started container left behind.
 *
 * The hand-overs, numbered where they happen:
 *   #1 parent → child  everything in struct prl_setup, before clone
 *   #2 child → parent  over a socket, before exec: "write my id maps", "serve my
 *                     FUSE root", "connect my network", the pty's master
 *   #3 child → parent  one record on the report pipe: all zero "exec comes next", or the
 * failure; then end of file */
#include "prl.h"

#include "base/arena.h"
#include "base/own.h"
#include "base/trace.h"
#include "launch/boxed.h"
#include "launch/prepare/setup.h"
#include "launch/report.h"
#include "launch/serve/parent.h"
#include "launch/steps/exports.h"
#include "launch/userns.h"
#include "limits/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the child's stack, at its upper end: for its second task, which needs little. */
enum { BESIDE_BYTES = 32 * 1024 };

/* The set-up, in its order; the trace knows each step by its name. */
static const struct {
    const char *name;
    int (*apply)(struct prl_setup *s, struct prl_error *reterr);
} steps[] = {
    {"watch", prl_watch_ask},        /* traced, with --verify; #2 */
    {"cgroup", prl_cgroup_enter},    /* from here on it is in its groups */
    {"beside", prl_netns_begin},     /* a second task makes the namespace */
    {"idmap", prl_idmap_apply},      /* who we are in the new user namespace */
    {"null", prl_devices_open_null}, /* while the host's /dev is in reach */
    {"sources", prl_mounts_open},    /* sources of binds, before anything lies over them */
    {"early", prl_idmap_early},     /* 0:0 makes what follows, if the caller is nobody inside */
    {"overlay", prl_overlay_mount}, /* layers below, upper above */
    {"fuse", prl_fuse_mount},       /* the same by a program; #2 */
    {"rootfs", prl_rootfs_build},   /* what was mounted, or a bind; root_fd */
    {"late", prl_idmap_late},       /* 0:0 makes what follows */
    {"volumes", prl_volumes_fill},  /* those of the store, on their first use */
    {"mounts", prl_mounts_apply},   /* volumes, /proc, /dev */
    {"proc", prl_mounts_hide_proc}, /* read-only and masked paths of /proc */
    {"devices", prl_devices_apply}, /* nodes and links in /dev */
    {"netns", prl_netns_join},      /* it is there, and its loopback up */
    {"network", prl_network_apply}, /* the helper of a user-mode network; #2 */
    {"sys", prl_mounts_finish},     /* /sys, which shows the network namespace */
    {"sysctl", prl_sysctl_apply},   /* while the host's /proc is in reach */
    {"terminal", prl_terminal_apply}, /* own pty; #2 */
    {"workdir", prl_rootfs_workdir},  /* made where the image has none */
    {"fill", prl_box_fill},           /* a sandbox's files in it */
    {"netns", prl_netns_join_late},   /* where nobody needed it before */
    {"masks", prl_mounts_hide},       /* the other read-only and masked paths */
    {"seal", prl_rootfs_seal},        /* read-only root */
    {"stdio", prl_stdio_apply},       /* 0, 1, 2; new session */
    {"enter", prl_rootfs_enter},      /* the host's tree is gone after this line */
    {"meter", prl_box_meter},         /* the clock of a sandbox; #2 */
    {"rlimits", prl_rlimits_apply},   /* as config.json has them; after what is handed over,
                                         which a low limit of open files may forbid */
    {"fds", prl_fds_shed},     /* before chdir: no descriptor to name a host directory by */
    {"chdir", prl_exec_chdir}, /* and verified to lie inside */
    {"landlock", prl_landlock_apply}, /* before capabilities go, which it needs without
                                       no_new_privs */
    {"domain", prl_watch_landlock},   /* with --verify */
    {"class", prl_box_class},         /* late: set-up may be as urgent as its caller */
    {"resolve", prl_exec_resolve},    /* which program, and no magic link on the way */
};

static int PRL_CHILD_SAFE child_steps(struct prl_setup *s, struct prl_error *reterr)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int r = steps[i].apply(s, reterr);
        if (r < 0)
            return r;
        prl_trace_mark_child(steps[i].name);
    }
    return prl_launch_end(s, reterr);
}

/* A filter may refuse what it takes to wait for the second task. */
static int PRL_CHILD_SAFE apply_filter(struct prl_setup *s, struct prl_error *reterr)
{
    int r = prl_netns_end(s, reterr);
    prl_trace_mark_child("loopback");
    if (r == 0)
        r = prl_seccomp_apply(s, reterr);
    prl_trace_mark_child("filter");
    return r;
}

int PRL_CHILD_SAFE prl_launch_end(struct prl_setup *s, struct prl_error *reterr)
{
    /* Without no_new_privs a filter needs CAP_SYS_ADMIN, so it must come before the
     * capabilities go. */
    bool late = s->spec->process.no_new_privileges;
    int r = prl_fakeroot_apply(s, reterr);
    if (r == 0 && !late)
        r = apply_filter(s, reterr);
    if (r == 0)
        r = prl_caps_apply(s, reterr);
    prl_trace_mark_child("privileges");
    if (r == 0 && late)
        r = apply_filter(s, reterr);
    return r < 0 ? r : prl_exec_now(s, reterr); /* returns only on failure */
}

static int PRL_CHILD_SAFE child_main(void *data)
{
    struct prl_setup *s = data;
    struct prl_error error, ignored;
    memset(&error, 0, sizeof error);
    prl_trace_mark_child("clone");
    prl_close_p(&s->parent_fd); /* or this side would never see the parent's end of it */
    umask(s->spec->process.umask < 0 ? 0022 : (mode_t)s->spec->process.umask);
    child_steps(s, &error);
    (void)prl_netns_end(s, &ignored); /* it stands on memory that the parent takes away */
    /* #3: below PIPE_BUF, hence one piece.  Nobody reads it: the parent is gone, and so are we.
     */
    ssize_t written = write(s->report_fd, &error, sizeof error);
    return written == sizeof error ? 127 : 125;
}

static int run_beside(struct prl_setup *s, const struct prl_sys_clone *how,
                      struct prl_child *child, struct prl_error *reterr)
{
    int r = prl_launch_joined(s, how, child_main, child);
    if (r == -ESRCH)
        return prl_failf(reterr, PRL_STAGE_STATE, ESRCH, "container",
                         "\"%.12s\" has ended meanwhile", s->spec->network.container);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_CLONE, -r, "setns",
                                 "the other container's namespaces")
                 : 0;
}

/* A mount that shows the IPC namespace would have to wait for it, and so would one that comes
 * to lie over it: a volume on /dev, which the devices are to be put in. */
static bool is_covered(const struct prl_spec *spec)
{
    for (size_t i = 0; i < spec->mounts_len; i++)
        for (size_t j = i + 1; !spec->mounts[i].bind && j < spec->mounts_len; j++)
            if (strcmp(spec->mounts[i].type, "mqueue") == 0 &&
                prl_mounts_overlap(spec->mounts[i].destination, spec->mounts[j].destination))
                return true;
    return false;
}

/* Those that take the longest to make, where a second task may make them. */
static uint64_t choose_beside(const struct prl_spec *spec)
{
    uint64_t dear = CLONE_NEWNET | (is_covered(spec) ? 0 : CLONE_NEWIPC);
    return spec->namespaces & CLONE_NEWNET ? spec->namespaces & dear : 0;
}

/* Unless it is served, the parent sleeps until the child has executed its program or
 * is gone. */
static int run_clone(struct prl_setup *s, void *stack, struct prl_child *child,
                     struct prl_error *reterr)
{
    sigset_t all, before;
    s->beside_namespaces = choose_beside(s->spec);
    const struct prl_sys_clone how = {
        .flags = CLONE_VM | (s->served ? 0 : CLONE_VFORK) |
                 (s->spec->namespaces &
                  ~((s->late_cgroup ? CLONE_NEWCGROUP : 0ULL) | s->beside_namespaces)),
        .pidfd = &child->pidfd,
        .stack = stack,
        .stack_size = PRL_STACK_BYTES - BESIDE_BYTES,
        .cgroup_fd = prl_cgroups_born_fd(child->cgroups),
    };
    /* No handler of the caller's may run in the child, which shares its memory. */
    s->beside_stack = (char *)stack + PRL_STACK_BYTES - BESIDE_BYTES;
    s->beside_stack_size = BESIDE_BYTES;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    child->start_ns = prl_sys_now_ns();
    int r = 0;
    if (s->spec->shared_network)
        r = run_beside(s, &how, child, reterr);
    else if (s->box && s->box->zygote_fd >= 0)
        r = prl_launch_below(s, &how, child_main, child, reterr);
    else if (s->holder_fd < 0 || prl_launch_joined(s, &how, child_main, child) < 0)
        child->pid = prl_sys_clone_run(&how, child_main, s); /* #1 */
    if (r == 0 && child->pid < 0)
        r = prl_fail(reterr, PRL_STAGE_CLONE, "clone3", "new namespaces");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* "REPORT", or "REPORT,OUTCOME": the descriptors that the init gets. */
static const char *write_numbers(const struct prl_setup *s, char buf[48])
{
    prl_sys_decimal((uint64_t)s->report_fd, buf);
    if (s->outcome_fd < 0)
        return buf;
    size_t len = strlen(buf);
    buf[len] = ',';
    prl_sys_decimal((uint64_t)s->outcome_fd, buf + len + 1);
    return buf;
}

/* A sandbox shows no control group to its program, whose filter refuses every mount. */
static bool is_flat(const struct prl_setup *s)
{
    return s->box && !(s->spec->namespaces & CLONE_NEWCGROUP) &&
           s->spec->process.caps[PRL_CAP_BOUNDING] == 0;
}

static int launch_described(struct prl_setup *setup, struct prl_child *child,
                            struct prl_error *reterr)
{
    int r = prl_serve_ports_check(&setup->spec->network, reterr);
    if (r == 0)
        r = prl_cgroups_make(setup->spec, is_flat(setup), &child->cgroups, reterr);
    if (r < 0)
        return r;
    setup->cgroup_fds_len = prl_cgroups_entries(child->cgroups, setup->cgroup_fds);
    struct prl_channels channels = PRL_CHANNELS_NONE;
    char numbers[48];
    r = prl_channels_open(setup, &channels, reterr);
    if (setup->init_args)
        setup->init_args[1] = write_numbers(setup, numbers);
    void *stack = r < 0 ? NULL : prl_stack_map();
    if (r == 0 && !stack)
        r = prl_fail(reterr, PRL_STAGE_CLONE, "mmap", "stack of the set-up process");
    if (r == 0)
        r = run_clone(setup, stack, child, reterr);
    if (r == 0)
        r = prl_channels_follow(setup, &channels, child, reterr);
    if (r < 0) {
        prl_child_close(child); /* it is gone before its stack is */
        prl_serve_fuse_complaint(setup->complaint_fd, reterr);
    }
    prl_close_p(&setup->complaint_fd);
    prl_close_p(&setup->tap_fd);
    if (r == 0) {
        prl_cgroups_listen(child->cgroups);
        prl_cgroups_take_clock(child->cgroups, steal_fd(&setup->clock_fd));
    }
    prl_close_p(&setup->clock_fd);
    prl_channels_close(&channels);
    prl_stack_unmap(stack);
    return r;
}

/* The start barrier's socket: one end for the child, the other for prl_child_go. */
static int open_barrier(struct prl_setup *s, struct prl_child *child, struct prl_error *reterr)
{
    int pair[2];
    int r = prl_prepare_barrier(s, reterr);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "socketpair", "start barrier");
    child->held = true;
    child->barrier_fd = pair[0];
    child->mounts_fd = -1;
    s->wish_fd = pair[1];
    return 0;
}

/* What kind of launch: stopped at the start barrier, served, with a box. */
struct kind {
    bool held, served;
    struct prl_box *box;
};

static int launch_once(const struct prl_spec *spec, const struct prl_stdio *stdio,
                       struct kind kind, struct prl_child *ret, struct prl_error *reterr)
{
    struct prl_setup setup;
    struct prl_child child = {.pid = -1, .pidfd = -1, .terminal_fd = -1};
    struct prl_arena *arena = prl_arena_new();
    if (!arena)
        return prl_fail_with(reterr, PRL_STAGE_CLONE, ENOMEM, "malloc", "launch");
    int r = prl_prepare(spec, arena, &setup, reterr);
    prl_trace_mark("prepare");
    memcpy(setup.stdio, stdio->fds, sizeof setup.stdio);
    setup.box = kind.box;
    setup.fence = setup.fence && !kind.box; /* a box's own filter is stricter */
    setup.served |= kind.served;
    if (r == 0 && kind.box && kind.box->zygote_fd >= 0)
        r = prl_prepare_below(&setup, arena, reterr);
    if (r == 0 && kind.held)
        r = open_barrier(&setup, &child, reterr);
    if (r == 0)
        r = launch_described(&setup, &child, reterr);
    prl_close_p(&setup.init_fd);
    prl_close_p(&setup.barrier_fd);
    prl_close_p(&setup.wish_fd);
    prl_close_p(&setup.holder_fd);
    prl_arena_free(arena);
    prl_trace_mark("exec");
    if (r == 0)
        *ret = child;
    else
        prl_child_close(&child);
    return r;
}

/* The kernel limits how many descriptors of a user are in flight, and programs in other boxes
 * may have used that up.  Then once more with a parent that fetches them. */
static int launch(const struct prl_spec *spec, const struct prl_stdio *stdio, struct kind kind,
                  struct prl_child *ret, struct prl_error *reterr)
{
    int r = launch_once(spec, stdio, kind, ret, reterr);
    if (r != -ETOOMANYREFS || !kind.box)
        return r;
    /* What the child had handed over before it failed. */
    prl_close_p(&kind.box->scratch_fd);
    prl_close_p(&kind.box->clock_fd);
    prl_close_p(&kind.box->outcome_fd);
    prl_close_p(&kind.box->root_fd);
    kind.served = true;
    return launch_once(spec, stdio, kind, ret, reterr);
}

int prl_launch(const struct prl_spec *spec, const struct prl_stdio *stdio,
               struct prl_child *ret, struct prl_error *reterr)
{
    return launch(spec, stdio, (struct kind){.held = false}, ret, reterr);
}

int prl_launch_box(const struct prl_spec *spec, const struct prl_stdio *stdio,
                   struct prl_box *box, struct prl_child *ret, struct prl_error *reterr)
{
    return launch(spec, stdio, (struct kind){.box = box}, ret, reterr);
}

int prl_launch_held(const struct prl_spec *spec, const struct prl_stdio *stdio,
                    struct prl_child *ret, struct prl_error *reterr)
{
    return prl_launch_box_held(spec, stdio, NULL, ret, reterr);
}

/* Holding its mount namespace puts off that it is taken apart, which takes time, until its
 * holder has some. */
int prl_launch_box_held(const struct prl_spec *spec, const struct prl_stdio *stdio,
                        struct prl_box *box, struct prl_child *ret, struct prl_error *reterr)
{
    char path[48];
    int r = launch(spec, stdio, (struct kind){.held = true, .box = box}, ret, reterr);
    if (r < 0)
        return r;
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)ret->pid);
    ret->mounts_fd = open(path, O_RDONLY | O_CLOEXEC);
    return 0;
}
