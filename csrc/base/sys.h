/* sys.h: the kernel's calls as this project uses them, and the only place with #ifdef.
 *
 * What it is: raw system calls that a C library may lack, the constants it may lack, and
 * probe-once fallbacks. In: kernel arguments.  Out: as the kernel answers, -1 and errno. Never:
 * policy. All of it is child-safe: no allocation, no lock. */
#pragma once

#include "base/error.h"
#include "base/sys_abi.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

long prl_sys_openat2(int dir_fd, const char *path, uint64_t flags, uint64_t mode,
                     uint64_t resolve);
/* Open path as the container would see it with root_fd as "/": links never lead out.
 * openat2(RESOLVE_IN_ROOT), or a component walk where the kernel lacks it.  flags as open(2)
 * plus O_CLOEXEC, no O_CREAT. */
int prl_sys_open_in_root(int root_fd, const char *path, int flags);
/* The same, but the last component must not be a link (ELOOP), nor may any be a /proc magic
 * link. */
int prl_sys_open_in_root_nofollow(int root_fd, const char *path, int flags);

int prl_sys_pidfd_open(pid_t pid);
/* Of the process that listens at the other end of a connected socket; -1 ENOPROTOOPT before
 * Linux 6.5, EINVAL when it has died. */
int prl_sys_peer_pidfd(int socket_fd);
int prl_sys_pidfd_send_signal(int pidfd, int signal);
/* A copy of another process's descriptor, close-on-exec; -1 ENOSYS before Linux 5.6. */
int prl_sys_pidfd_getfd(int pidfd, int fd);
int prl_sys_waitid_pidfd(int pidfd, siginfo_t *info, int options, struct rusage *usage);

/* getdents64(2): readdir(3) without its memory. */
struct prl_dirent {
    uint64_t d_ino;
    int64_t d_off;
    unsigned short d_reclen;
    unsigned char d_type; /* DT_* */
    char d_name[];
};
long prl_sys_getdents(int fd, void *buf, size_t size);

/* Close the descriptors first..last (both included).  close_range(2), or one by one. */
int prl_sys_close_range(unsigned first, unsigned last);

int prl_sys_open_tree(int dir_fd, const char *path, unsigned flags);
/* Onto `name` in to_fd, which is not followed if it is a link, or onto to_fd itself: "". */
int prl_sys_move_mount(int from_fd, int to_fd, const char *name);
/* -1 ENOSYS where the kernel has none (before 5.12). */
int prl_sys_mount_setattr(int dir_fd, unsigned flags, uint64_t set, uint64_t clear,
                          uint64_t propagation);
int prl_sys_pivot_root(const char *new_root, const char *put_old);

/* Process creation: clone3, or clone where clone3 answers ENOSYS (an outer container's filter).
 * The child runs fn(arg) on its own stack and shares the caller's memory when CLONE_VM is among
 * the flags. */
struct prl_sys_clone {
    uint64_t flags; /* CLONE_*, without the exit signal */
    int *pidfd;     /* filled, close-on-exec; -1 where the kernel has none */
    void *stack;
    size_t stack_size;
    int cgroup_fd; /* -1: none */
    int *ret_pid;  /* filled before the child runs, even should the caller be killed; NULL */
    int *cleared;  /* a futex: 0, and whoever waits for that woken, when the child ends; NULL */
    bool quiet; /* its end raises no signal, and who traces forks is not told: wait with __WALL
                 */
    pid_t tid;  /* its number in the innermost pid namespace, whose count is not changed by it;
                 * 0: the next number (only clone3 of Linux 5.5) */
};
pid_t prl_sys_clone_run(const struct prl_sys_clone *how, int (*fn)(void *), void *arg);
/* Memory for a child's stack; NULL and errno. */
void *prl_sys_stack_map(size_t size);
/* The same while the calling thread blocks all signals: no handler of the caller's runs in a
 * child that shares its memory. */
pid_t prl_sys_clone_masked(const struct prl_sys_clone *how, int (*fn)(void *), void *arg);
/* fn(arg) in a child that shares our memory; returns when it has executed a program or ended.
 */
pid_t prl_sys_clone_shared(size_t stack_size, int (*fn)(void *), void *arg);
/* Wait for the end of a child, whatever signals come.  ret_status may be NULL. */
int prl_sys_reap(pid_t pid, int *ret_status);
/* One call with up to five arguments; -errno.  For a task that shares the memory, and so errno,
 * of another that runs at the same time. */
long prl_sys_raw(long number, const long args[5]);
#define PRL_RAW(...)       ((const long[5]){__VA_ARGS__})
#define PRL_RAW_POINTER(p) ((long)(uintptr_t)(p))

int prl_sys_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int prl_sys_capget(uint64_t *effective, uint64_t *permitted);
int prl_sys_seccomp_load(const void *filter, unsigned short len);
/* The same, and a descriptor of the listener for its SECCOMP_RET_USER_NOTIF (Linux 5.5). */
int prl_sys_seccomp_listen(const void *filter, unsigned short len);
/* Bit n: processor n.  size is in bytes, a multiple of a long's. */
int prl_sys_set_affinity(const unsigned char *mask, size_t size);
/* Drop a real-time class and a negative nice value: these are the caller's privilege. A
 * positive nice value or an idle class stays. */
int prl_sys_be_ordinary(void);
/* How many processors this task may run on; 1 when that is not known. */
unsigned prl_sys_processors(void);
/* Let `pid` run on all processors of this task, on all but the one this task is on now, or on
 * that one only. */
enum prl_task_on { PRL_ON_ANY, PRL_ON_OTHERS, PRL_ON_THIS };
int prl_sys_place(pid_t pid, enum prl_task_on on) PRL_CHILD_SAFE;
int prl_sys_keyring_new(void);
/* Change all uids and gids of the calling thread, and keep the memory's "dumpable" flag. The
 * change clears it for everybody who shares the memory; their /proc/PID would then belong to
 * root. *ret_failed names the call. */
int prl_sys_become(uint32_t uid, uint32_t gid, const char **ret_failed);

int prl_sys_landlock_abi(void);
int prl_sys_landlock_create(uint64_t handled_fs, uint64_t handled_net, uint64_t scoped);
int prl_sys_landlock_allow(int ruleset_fd, uint64_t access, int parent_fd);
int prl_sys_landlock_restrict(int ruleset_fd);

/* "lo" of the calling task's network namespace up; -errno, which itself is left alone.
 * *ret_failed names the call. */
int prl_sys_raise_loopback(const char **ret_failed);

/* Decimal text of a number into buf (24 bytes); child-safe. */
char *prl_sys_decimal(uint64_t value, char *buf);
/* "/proc/self/fd/N" into buf (32 bytes); child-safe. */
char *prl_sys_fd_path(int fd, char *buf);
uint64_t prl_sys_now_ns(void);
