/* prl.h: the only public header of the core.
 *
 * What it is: the values that travel along the launch line (spec, error, status) and the
 * functions that move a launch along it. In: bytes of an OCI config.json.  Out: a running
 * container (prl_child), then how it ended (prl_status). Never: policy, defaults, printing,
 * exiting.  Every function returns >= 0 or -errno with *reterr filled.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a launch can fail.  The order is the order of the launch; the names stand in
 * base/error.c. */
enum prl_stage {
    PRL_STAGE_NONE = 0,
    PRL_STAGE_OPTIONS,  /* argv → options: what the user typed */
    PRL_STAGE_TEMPLATE, /* image name → launch template */
    PRL_STAGE_CONFIG,   /* options + template → config.json, config.json → spec */
    PRL_STAGE_STATE,    /* container directories */
    PRL_STAGE_CLONE,    /* the new process and its namespaces */
    PRL_STAGE_IDMAP,    /* uid_map, gid_map, setgroups */
    PRL_STAGE_ROOTFS,   /* overlay or bind root, pivot */
    PRL_STAGE_MOUNTS,   /* mounts, masked and read-only paths */
    PRL_STAGE_DEVICES,  /* /dev */
    PRL_STAGE_NETWORK,  /* loopback, the helper of a user-mode network, published ports */
    PRL_STAGE_SYSCTL,   /* hostname, sysctls, oom_score_adj */
    PRL_STAGE_TERMINAL, /* the container's own pty, session */
    PRL_STAGE_RLIMITS,
    PRL_STAGE_FAKEROOT, /* claimed owners and ids */
    PRL_STAGE_CAPS,     /* user, groups, capabilities, no_new_privs, keyring */
    PRL_STAGE_LANDLOCK,
    PRL_STAGE_FDS, /* descriptors shed, cwd */
    PRL_STAGE_SECCOMP,
    PRL_STAGE_EXEC,    /* the program itself: ENOENT → 127, EACCES/ENOEXEC → 126 */
    PRL_STAGE_MONITOR, /* waiting, relaying */
    PRL_STAGE_HOST,    /* the host lacks something (doctor) */
    PRL_STAGE_LAYER,   /* an image's layer: archive → tree */
    PRL_STAGE_FUSE,    /* the device that a program's root file system needs */
    PRL_STAGE_LIMITS,  /* memory, processor, processes, … and what holds them */
    PRL_STAGE_BOX,     /* a sandbox's files, meter and record */
    PRL_STAGE_VERIFY,  /* what was asked for, read back from the kernel */
    PRL_STAGE_WARM,    /* the copy of an interpreter enters its box */
    PRL_STAGE_VOLUMES, /* volumes of the store: made, held, filled, removed */
    PRL_STAGE_COUNT,
};

/* One filled error record.  Fixed size, below PIPE_BUF, so that the child can send it in one
 * atomic write. An all-zero record is the marker "set-up finished, exec comes next". */
struct prl_error {
    int32_t errnum;    /* positive errno; 0: no error */
    uint16_t stage;    /* enum prl_stage */
    uint16_t sentence; /* 1: subject is a whole sentence */
    char syscall[24];  /* the call, or for PRL_STAGE_OPTIONS the option: "--memory" */
    char subject[224]; /* on what: a path, a value, or a whole sentence for
                          PRL_STAGE_OPTIONS/CONFIG */
};

struct prl_idmap {
    uint32_t container_id, host_id, size;
};

struct prl_rlimit {
    int resource; /* RLIMIT_* */
    uint64_t soft, hard;
};

struct prl_sysctl {
    const char *key;  /* as config.json writes it: "net.ipv4.ip_forward" */
    const char *path; /* below /proc/sys: "net/ipv4/ip_forward" */
    const char *value;
};

struct prl_device {
    const char *path; /* absolute, in the container and on the host */
    char type;        /* 'c' or 'b' */
    uint32_t major, minor;
    uint32_t mode;
};

struct prl_mount {
    const char *source;          /* NULL when the type takes none */
    const char *destination;     /* absolute, normalised: no ".", "..", "//" */
    const char *type;            /* "bind", "proc", "tmpfs", "sysfs", "devpts", "mqueue", ... */
    const char *data;            /* file-system options, comma-joined; "" when none */
    uint64_t attr_set;           /* MOUNT_ATTR_* of this mount alone (ro, nosuid, ...) */
    uint64_t attr_clear;         /* (rw, suid, ...) */
    uint64_t attr_set_recursive; /* MOUNT_ATTR_* of the whole tree (rro, rnosuid, ...) */
    unsigned propagation;        /* MS_PRIVATE, MS_SLAVE, ... (| MS_REC), 0: as it comes */
    bool bind;
    bool recursive; /* rbind */
};

/* A volume of the store that is mounted at `destination`: a row of io.pyrootless.volumes. */
struct prl_volume {
    const char *name, *destination;
    bool anonymous; /* nobody named it: it goes with the container */
    bool copy;      /* while it is empty it gets what the image has there, */
    bool fill;      /* lent by who launches: now */
};

/* A pair of texts: an annotation. */
struct prl_note {
    const char *key, *value;
};

/* A member of config.json that means nothing here, and is kept as it stands. */
struct prl_extra {
    const char *place; /* of the object it belongs to: "/linux", "/mounts/2" */
    const char *key, *json;
};

/* Who puts the layers together. */
enum prl_driver { PRL_DRIVER_UNSAID, PRL_DRIVER_OVERLAY, PRL_DRIVER_FUSE };

enum prl_upper {
    PRL_UPPER_NONE,  /* no overlay: root.path itself */
    PRL_UPPER_TMPFS, /* overlay, upper in a capped tmpfs of the container's mount namespace */
    PRL_UPPER_DISK,  /* overlay, upper and work directories on disk */
};

struct prl_rootfs {
    const char *path;          /* root.path, absolute on the host */
    bool readonly;             /* root.readonly */
    const char *const *lowers; /* overlay lower directories, top-most first; NULL-terminated */
    size_t lowers_len;
    size_t lowers_begin; /* of each: its name begins there, in one directory; 0: no names */
    enum prl_upper upper;
    const char *upper_path, *work_path; /* PRL_UPPER_DISK */
    bool upper_volatile; /* overlay option "volatile": the upper dies with the container */
    enum prl_driver driver;
    const char *fuse_program; /* fuse-overlayfs, absolute; NULL: the kernel's overlay */
    uint64_t upper_size_bytes, upper_inodes; /* PRL_UPPER_TMPFS; 0: no cap */
};

/* What changes of owners and ids do in a container that has one id. */
enum prl_fake_root {
    PRL_FAKE_ROOT_OFF,      /* the kernel refuses them */
    PRL_FAKE_ROOT_SILENT,   /* they succeed, and nothing is remembered */
    PRL_FAKE_ROOT_REMEMBER, /* they succeed, and stat(2) and getuid(2) show them */
};

/* Who connects a new network namespace with the host's network. */
enum prl_network_helper { PRL_NETWORK_ALONE, PRL_NETWORK_PASTA, PRL_NETWORK_SLIRP };

/* `count` ports of the host, from `host` on, that lead to as many of the container. */
struct prl_port {
    const char *address; /* of the host, IPv4 or IPv6; NULL: every one */
    uint16_t host, container, count;
    bool udp;
};

struct prl_network {
    enum prl_network_helper helper;
    const char *program; /* of the helper, absolute */
    const struct prl_port *ports;
    size_t ports_len;
    const char *mac;       /* NULL: any */
    uint32_t mtu;          /* 0: the helper's own */
    bool dns_forward;      /* the helper's DNS address leads to the host's first name server */
    bool gateway;          /* pasta: an address that leads to the host's own */
    const char *allow;     /* rows of network/allow.h: the only allowed destinations; NULL:
                            * everything */
    const char *container; /* id of the container whose network this is; NULL: its own */
};

enum prl_cap_set {
    PRL_CAP_BOUNDING,
    PRL_CAP_EFFECTIVE,
    PRL_CAP_PERMITTED,
    PRL_CAP_INHERITABLE,
    PRL_CAP_AMBIENT,
    PRL_CAP_SETS
};

struct prl_process {
    const char *const *args; /* NULL-terminated, at least one */
    const char *const *env;  /* NULL-terminated "NAME=value" */
    const char *cwd;         /* absolute */
    uint32_t uid, gid;       /* in the container */
    const uint32_t *additional_gids;
    size_t additional_gids_len;
    bool keep_groups;            /* the caller's other groups stay, and no others are given */
    int umask;                   /* -1: 0022 */
    uint64_t caps[PRL_CAP_SETS]; /* bit n: capability n */
    bool no_new_privileges;
    const struct prl_rlimit *rlimits;
    size_t rlimits_len;
    bool has_oom_score_adj;
    int oom_score_adj;
    bool terminal;
    unsigned short console_rows, console_columns; /* 0: leave */
};

/* What of the machine a container may use; names in limits/names.c. */
enum prl_limit {
    PRL_LIMIT_MEMORY,
    PRL_LIMIT_SWAP,
    PRL_LIMIT_RESERVATION,
    PRL_LIMIT_CPUS,
    PRL_LIMIT_SHARES,
    PRL_LIMIT_CPUSET,
    PRL_LIMIT_PIDS,
    PRL_LIMIT_IO,
    PRL_LIMIT_STORAGE,
    PRL_LIMIT_CPU_TIME,
    PRL_LIMITS,
};

/* What enforces a limit; names in limits/names.c, how exactly in docs/limits.md. */
enum prl_enforcement {
    PRL_BY_UNSET,    /* not chosen yet */
    PRL_BY_CGROUP2,  /* a control group, version 2 */
    PRL_BY_CGROUP1,  /* one of version 1 */
    PRL_BY_TMPFS,    /* the size of the memory file system that takes the writes */
    PRL_BY_NPROC,    /* RLIMIT_NPROC, counted in the container's own user namespace */
    PRL_BY_FSIZE,    /* RLIMIT_FSIZE, for each file alone */
    PRL_BY_CLOCK,    /* perf's clock, inherited by every process, read by the monitor */
    PRL_BY_AFFINITY, /* the processors of each process, which it may change itself */
    PRL_BY_WATCHDOG, /* the monitor sums and kills; RLIMIT_DATA for each process */
    PRL_BY_NONE,     /* nothing holds it */
    PRL_ENFORCEMENTS,
};

enum prl_controller {
    PRL_CONTROL_MEMORY = 1,
    PRL_CONTROL_PIDS = 2,
    PRL_CONTROL_CPU = 4,
    PRL_CONTROL_CPUSET = 8,
    PRL_CONTROL_IO = 16, /* "blkio" in version 1 */
    PRL_CONTROL_CPUACCT = 32,
    PRL_CONTROL_OTHER = 64, /* none of these: nothing is limited or counted there */
};

/* A control group of the container's own: its directory does not exist before the launch. */
struct prl_cgroup {
    const char *path;     /* ends in "/pyrootless-ID" */
    unsigned controllers; /* enum prl_controller */
    bool version2;
};

enum prl_throttle_kind {
    PRL_THROTTLE_READ_BPS,
    PRL_THROTTLE_WRITE_BPS,
    PRL_THROTTLE_READ_IOPS,
    PRL_THROTTLE_WRITE_IOPS,
    PRL_THROTTLES,
};

struct prl_throttle {
    enum prl_throttle_kind kind;
    uint32_t major, minor;
    uint64_t rate; /* bytes or operations a second */
};

struct prl_resources {
    uint32_t asked;   /* bit n: enum prl_limit n; 0: nothing is limited, and nothing is done */
    bool best_effort; /* a weaker enforcement will do */
    bool swapless;    /* as much swap as memory, if nobody asked, is none instead */
    uint64_t memory_bytes, reservation_bytes;
    uint64_t data_bytes; /* RLIMIT_DATA beside the watchdog; 0: memory_bytes */
    uint64_t swap_bytes; /* memory and swap together; UINT64_MAX: as much swap as there is */
    uint64_t quota_us, period_us;
    uint64_t shares;
    uint64_t cpu_time_ns; /* processor time of all processes together, after which it ends */
    const char *cpus;     /* "0-2,5" */
    uint64_t pids;        /* of the program; ours come on top: */
    uint32_t pids_own;    /* the init, which everything counts that counts the program */
    uint64_t nproc; /* pids as RLIMIT_NPROC, which counts helpers in the user namespace too */
    const struct prl_throttle *throttles;
    size_t throttles_len;
    uint64_t storage_bytes;
    uint8_t held_by[PRL_LIMITS]; /* enum prl_enforcement, of what was asked */
    uint32_t weak;               /* bit n: that enforcement does not hold limit n exactly */
    const struct prl_cgroup *cgroups;
    size_t cgroups_len;
    /* Lent by who looked at the host: the directory in which the group of version 2 is made; 0:
     * it is opened by its name. */
    int groups_fd;
};

/* How a container is found to be well or not; times of 0 are docker's usual ones. */
struct prl_health {
    const char *test; /* JSON: ["CMD","program","argument"], ["CMD-SHELL","line"], ["NONE"] */
    uint64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
    uint32_t retries;
};

/* Where the output of a container goes that nobody watches. */
enum prl_log_driver {
    PRL_LOG_JSON_FILE,
    PRL_LOG_K8S_FILE,
    PRL_LOG_NONE,
    PRL_LOG_PASSTHROUGH, /* to the streams of who started it */
    PRL_LOG_JOURNALD,
};

struct prl_log_settings {
    enum prl_log_driver driver;
    uint64_t max_bytes; /* of one file; 0: it is never rotated */
    uint32_t max_files; /* 0: one */
};

struct prl_joinable;

/* One launch, complete: the struct form of config.json.  Made by prl_spec_parse, read-only
 * afterwards but for what is lent; every other pointer lives in the spec's own arena, or with
 * the caller's arguments (flat.h). */
struct prl_spec {
    struct prl_rootfs rootfs;
    struct prl_process process;
    struct prl_network network;
    const char *hostname, *domainname; /* NULL: leave */
    uint64_t namespaces;               /* CLONE_NEW* to create */
    const char *holder; /* directory of the holder of user namespaces; NULL: do without */
    /* with network.container, lent by who launches: it has the user and the network namespace
     */
    const struct prl_joinable *shared_network;
    const struct prl_idmap *uid_maps, *gid_maps;
    size_t uid_maps_len, gid_maps_len;
    const struct prl_mount *mounts; /* in the order of config.json */
    size_t mounts_len;
    const char *const
        *lent; /* destinations at which the caller's own is shown; "/": the root */
    const char *const *unseen; /* directories of the host that are shown nowhere among them */
    const struct prl_volume *volumes; /* which of the mounts are volumes */
    size_t volumes_len;
    const char *volumes_new; /* labels and options of those that are made; NULL: none */
    const struct prl_device *devices;
    size_t devices_len;
    const struct prl_sysctl *sysctls;
    size_t sysctls_len;
    const char *const *masked_paths;   /* NULL-terminated */
    const char *const *readonly_paths; /* NULL-terminated */
    unsigned rootfs_propagation;       /* MS_*, 0: private */
    bool personality;                  /* linux.personality is there, and says LINUX */
    bool has_seccomp;                  /* linux.seccomp is there */
    const char *seccomp_json;          /* it, as JSON; NULL: it was not kept (prl_spec_read) */
    const char *seccomp_program;       /* path of the compiled filter; NULL: none */
    const void *seccomp_bytes;         /* what lies there, if it was read; aligned as u64 */
    size_t seccomp_bytes_len;
    const char *seccomp_digest; /* "sha256:…" the annotation asks for; NULL: none */
    bool landlock;              /* second fence wanted */
    bool new_keyring;           /* join a fresh session keyring */
    enum prl_fake_root fake_root;
    const char *fake_root_owners; /* file of claims that no attribute holds; NULL: memory */
    const char *launcher;         /* path of the native launcher; NULL: /proc/self/exe */
    struct prl_resources resources;
    bool init;              /* run a small init as pid 1 */
    bool verify;            /* read everything back before the program begins */
    int stop_signal;        /* default SIGTERM */
    uint64_t wall_limit_ns; /* 0: none */
    struct prl_log_settings log;
    struct prl_health health;
    const char *oci_version;
    const struct prl_note *notes; /* the annotations that are no fields of all this */
    size_t notes_len;
    const struct prl_extra *extras; /* see prl_spec_read */
    size_t extras_len;
    void *arena; /* owner of all of the above */
};

struct prl_stdio {
    int fds[3]; /* become 0, 1, 2 of the container; -1: /dev/null.  Ignored with
                   process.terminal */
};

struct prl_cgroups; /* limits/groups.h */

/* A running container.  The owner must wait for it or kill it, then prl_child_close(). */
struct prl_child {
    pid_t pid; /* pid 1 of the container, as this side sees it; -1: reaped; 0: closed */
    int pidfd;
    pid_t helper;      /* the server of a FUSE root; 0: none */
    pid_t supervisor;  /* of its fake root; 0: none */
    pid_t network;     /* pasta or slirp4netns; 0: none */
    int network_fd;    /* held for it as long as it may live; only with `network` */
    pid_t egress;      /* the egress filter between container and helper; 0: none */
    int terminal_fd;   /* pty master; -1 without process.terminal */
    uint64_t start_ns; /* CLOCK_MONOTONIC just before clone */
    int fatal_signal;  /* set by prl_child_signal: what the SIGKILL it sent stands for; 0: none
                        */
    struct prl_cgroups *cgroups; /* what holds its limits; NULL: none were asked for */
    bool over_memory;            /* the monitor killed it for its memory, */
    bool over_cpu_time;          /* or because its processor time was used up */
    bool joined;                 /* its ids came from a holder */
    bool held;                   /* by prl_launch_held */
    int barrier_fd;  /* only when held: on which the start barrier waits; -1: it went */
    bool left;       /* its mounts are not waited for: container/monitor/mounts.h */
    int mounts_fd;   /* only when held or left: its mount namespace, which lasts as long; -1 */
    pid_t companion; /* its tree counts against the watchdog's limit too; 0: none */
};

/* What a held container is to execute.  Its spec says the rest. */
struct prl_wish {
    const char *const *args; /* NULL-terminated, at least one */
    const char *const *env;  /* NULL: the spec's */
    const char *cwd;         /* absolute, must exist; NULL: the spec's */
    int fds[3];              /* become 0, 1, 2; -1: as it was launched */
};

/* A running container, by its first process; see prl_state_find. */
struct prl_joinable {
    pid_t pid;
    int pidfd;   /* -1 where the kernel has none */
    int proc_fd; /* /proc/PID: answers for this process alone, whoever has its number later */
};

enum prl_ended_by {
    PRL_ENDED_EXIT = 1, /* the program returned exit_code */
    PRL_ENDED_SIGNAL,   /* the program was ended by `signal` */
    PRL_ENDED_TIMEOUT,  /* wall_limit_ns passed, we killed it */
    PRL_ENDED_KILLED,   /* the owner killed it */
    PRL_ENDED_OOM,      /* its memory limit was reached and it was killed for that */
    PRL_ENDED_CPU_TIME, /* its processor time was used up, we killed it */
};

/* What the control groups and the watchdog saw of the whole container; 0: not seen. */
struct prl_usage {
    uint64_t memory_peak_bytes;
    uint64_t cpu_ns;
    uint64_t io_read_bytes, io_write_bytes;
    uint64_t throttled_ns;                               /* kept waiting by the quota */
    uint64_t memory_stall_ns, cpu_stall_ns, io_stall_ns; /* some task waited (PSI) */
    uint32_t pids_peak;
    uint32_t oom_kills;    /* processes killed for the memory limit */
    uint32_t pids_refused; /* forks refused for the limit on processes */
};

struct prl_status {
    uint32_t ended_by; /* enum prl_ended_by */
    int32_t exit_code; /* 0..255, or -1 when a signal ended it */
    int32_t signal;    /* 0 when it exited */
    uint64_t wall_ns, user_ns,
        system_ns;          /* CPU: pid 1 and everything it reaped, or the kernel for it */
    uint64_t max_rss_bytes; /* largest resident set of any single process of the container */
    uint64_t yields, preemptions; /* switches to others, by its own will or not; of the same */
    uint8_t held_by[PRL_LIMITS]; /* enum prl_enforcement; PRL_BY_UNSET: this limit was not asked
                                    for */
    struct prl_usage usage;
};

/* config.json (UTF-8, len bytes) → spec.  Pure: opens nothing.  Errors: PRL_STAGE_CONFIG,
 * subject is the JSON path. */
int prl_spec_parse(const char *json, size_t len, struct prl_spec **ret,
                   struct prl_error *reterr);
void prl_spec_free(struct prl_spec *spec);

/* Start the container.  Returns after the program was executed (or failed to be).  The calling
 * thread must stay alive as long as the container: its end kills the container
 * (PR_SET_PDEATHSIG). */
int prl_launch(const struct prl_spec *spec, const struct prl_stdio *stdio,
               struct prl_child *ret, struct prl_error *reterr);

/* The same up to just before the program: everything is set up, every restriction in force, and
 * process 1 waits for one request. It ends with its owner: unused, nothing of it stays. */
int prl_launch_held(const struct prl_spec *spec, const struct prl_stdio *stdio,
                    struct prl_child *ret, struct prl_error *reterr);
/* Once for a held child: execute.  Time counts from here.  On failure the child has ended or
 * ends at once, and the owner closes it. */
int prl_child_go(struct prl_child *child, const struct prl_spec *spec,
                 const struct prl_wish *wish, struct prl_error *reterr);
/* Wait for the end (blocking), fill *ret, and mark the child reaped.  kill_after_ns counts from
 * start_ns; 0: never. */
int prl_child_wait(struct prl_child *child, uint64_t kill_after_ns, struct prl_status *ret,
                   struct prl_error *reterr);
/* Send a signal to pid 1.  Where pid 1 has no handler the kernel would drop it; a terminating
 * signal then ends the container as it would have ended a plain process.  Returns 1 when that
 * happened, 0 when it was just delivered. */
int prl_child_signal(struct prl_child *child, int signal, struct prl_error *reterr);
/* Kill and reap if still running, close descriptors; safe on a zeroed or closed child. */
void prl_child_close(struct prl_child *child);

/* The exit status a shell should see (podman-run(1), "Exit Status"): program's code, 128+n,
 * 125, 126, 127. */
int prl_status_exit_code(const struct prl_status *status);
int prl_error_exit_code(const struct prl_error *error);
/* "mounts: mount(/proc): Operation not permitted" plus a remedy line when one is known; returns
 * buf. */
char *prl_error_format(const struct prl_error *error, char *buf, size_t size);
const char *prl_stage_name(unsigned stage);
