/* setup.h: the set-up of one container between clone and exec, and what its steps hand on.
 * In: a spec and what the parent prepared.  Out: the calling process, set up.
 * Never: allocation, stdio, locks; one step calling another (launch/start.c holds the list). */
#pragma once

#include "base/sys.h"
#include "launch/steps/filesystem/exports.h"

/* The subject of a failure whose reason the server of a FUSE root may have left. */
#define PRL_FUSE_NAME "fuse-overlayfs"

struct prl_box_file;

enum { PRL_MOUNTS_LATE = 4 };

/* What a second task of the container does, and why it could not. */
struct prl_beside {
    pid_t pid;           /* 0: there is none, or it is gone */
    int awaited;         /* a futex: 0 when its namespaces can be joined, or it is gone */
    uint64_t namespaces; /* CLONE_NEW* that it makes, */
    int net_fd, ipc_fd;  /* and shows; -1 */
    bool joined;         /* they are this task's */
    unsigned stage;
    int errnum;
    const char *call, *subject;
    bool without_loopback;
    bool begun; /* set by the task itself */
};

/* What the parent found at a source when it decided about it; name NULL: there was nothing to
 * decide. */
struct prl_seen {
    const char *name; /* the path that led there, without a link */
    dev_t dev;
    ino_t ino;
};

/* Made by the parent before clone, in memory the child shares. */
struct prl_setup {
    const struct prl_spec *spec;
    int stdio[3];   /* -1: /dev/null */
    int report_fd;  /* the child's end of the report pipe */
    int service_fd; /* the child's end of the socket for hand-overs; -1: there are none */
    int parent_fd;  /* the parent's end, which the child closes; -1 */
    bool served;    /* the parent works for the child while it is set up: not vfork's order, and
                       each hand-over waits for its answer */
    bool asks;      /* it is served with more than its maps */
    int init_fd;    /* sealed memory file with the small init; -1 */
    int barrier_fd; /* the same with the start barrier; -1: the program is known */
    int wish_fd;    /* the child's end of the socket on which the start barrier waits; -1 */
    struct prl_box *box;     /* what a sandbox wants; NULL: this is none */
    int outcome_fd;          /* the child's end of the pipe for the init's record; -1 */
    char *uid_map, *gid_map; /* NULL: the parent writes them (PRL_HANDOVER_MAPS) */
    int holder_fd; /* pidfd of a holder, in whose namespace the maps are written; -1 */
    bool joined;   /* the child is born there, and waits for its maps unless they are ready */
    bool ready; /* it is born in the user namespace of spec->shared_network, which has maps, and
                   in the network namespace of that */
    char *overlay_data; /* room for the overlay's mount options */
    size_t overlay_data_size;
    const char *layers_at; /* the directory they are named from; NULL: there is none */
    char *tmpfs_data;      /* options of the tmpfs that holds the upper */
    void *filter;          /* compiled seccomp program */
    unsigned short filter_len;
    bool fence; /* its program may mount, but not make a cgroup namespace:
                   launch/steps/privileges/seccomp.c */
    const struct prl_joinable *target; /* the container to be joined; NULL: it is made */
    bool early, late;  /* when set-up stops being the caller and is 0:0 of the container */
    void *fake_filter; /* of the fake root; NULL: none */
    unsigned short fake_filter_len;
    const char *fake_ids; /* "UID,GID[,GROUP…]" for its supervisor; NULL: it has none */
    int cgroup_fds[16];   /* files of version 1 to write oneself into */
    size_t cgroup_fds_len;
    bool late_cgroup;          /* the cgroup namespace is made when the groups are entered */
    unsigned char *affinity;   /* bit n: processor n */
    size_t affinity_size;      /* bytes; 0: leave */
    uint64_t nproc;            /* where RLIMIT_NPROC holds the limit on processes */
    struct prl_seen *seen;     /* one a mount; NULL: none was looked at */
    struct prl_seen root_seen; /* of a root in place */
    const char **programs;     /* candidate paths of the program, NULL-terminated */
    const char **init_args;
    /* filled by the child on its way */
    int *layer_fds; /* the overlay's directories, until it is mounted: room for all */
    size_t layer_fds_len;
    int *source_fds;    /* one a mount: the source of a bind */
    size_t mounts_done; /* so many of them are made, */
    const struct prl_mount
        *mounts_late[PRL_MOUNTS_LATE]; /* but these, which wait for the second task */
    size_t mounts_late_len;
    int dev_fd;       /* /dev, a tmpfs of the container's own; -1 */
    int proc_fd;      /* /proc, while names in it are hidden; -1 */
    bool proc_hidden; /* of /proc what no link leads over, */
    bool proc_links;  /* and there are such links */
    int mask_file_fd,
        mask_directory_fd;      /* the first of each kind, which the others repeat; -1 */
    uint64_t beside_namespaces; /* CLONE_NEW* that are made after clone, by a second task */
    void *beside_stack;
    size_t beside_stack_size;
    struct prl_beside beside;
    int complaint_fd;    /* filled by the parent: what the server of a FUSE root complains of */
    int tap_fd;          /* filled by the parent: the egress filter's interface; -1 */
    bool dev_sketched;   /* the names of /dev lie in the upper already */
    int clock_fd;        /* filled by the parent: the clock of PRL_BY_CLOCK; -1 */
    int root_fd;         /* "/" of the container */
    int scratch_root_fd; /* the tmpfs of a sandbox, until its files are put in; -1 */
    int null_fd;         /* /dev/null of the host, checked */
    const char *program; /* the candidate that will be executed */
};

/* So many of prl_dev_nodes: the last is /dev/tty, and a sandbox has no terminal. */
static inline size_t prl_devices_count(const struct prl_setup *s)
{
    return s->box ? PRL_DEV_NODES - 1 : PRL_DEV_NODES;
}

/* setns into some namespaces (CLONE_NEW*) of a container; -1 with errno. */
int prl_join_namespaces(const struct prl_joinable *target, uint64_t flags) PRL_CHILD_SAFE;
int prl_join_enter(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_join_root(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_cgroup_enter(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_idmap_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_idmap_early(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_idmap_late(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_overlay_mount(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_fuse_mount(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_rootfs_build(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_rootfs_workdir(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_rootfs_seal(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_rootfs_enter(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
/* One path is the other's, or lies below it. */
bool prl_mounts_overlap(const char *one, const char *other) PRL_CHILD_SAFE;
int prl_volumes_fill(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_mounts_open(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_mounts_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_mounts_hide_proc(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_mounts_finish(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_mounts_hide(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_watch_ask(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_watch_landlock(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_devices_open_null(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_devices_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_netns_begin(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_netns_join(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_netns_end(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_netns_join_late(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_network_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_sysctl_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_terminal_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_stdio_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_rlimits_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_fds_shed(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_caps_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_landlock_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_box_fill(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
/* The files alone, below a container's "/" in which nothing runs yet. */
int prl_box_put(int root_fd, const struct prl_box_file *files, size_t len,
                struct prl_error *reterr) PRL_CHILD_SAFE;
/* The processor time of this launch is counted by a clock that its child hands over. */
bool prl_box_wants_clock(const struct prl_setup *s) PRL_CHILD_SAFE;
int prl_box_meter(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_box_class(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_exec_chdir(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_exec_resolve(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_fakeroot_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_seccomp_apply(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;
int prl_exec_now(struct prl_setup *s, struct prl_error *reterr) PRL_CHILD_SAFE;

/* A close-on-exec descriptor of a sealed memory file, or -errno: the small init, the start
 * barrier. */
int prl_init_open(struct prl_error *reterr);
int prl_barrier_open(struct prl_error *reterr);
