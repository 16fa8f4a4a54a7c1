/* sys_abi.h: constants and structures of the kernel that a C library's headers may lack.
 * Source: the kernel's uapi headers (linux/mount.h, linux/sched.h, linux/landlock.h,
 * linux/openat2.h). */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#define PRL_CLONE_CLEAR_SIGHAND 0x100000000ULL
#define PRL_CLONE_INTO_CGROUP   0x200000000ULL

#define PRL_PIDFD_GET_MNT_NAMESPACE _IO(0xFF, 3) /* linux/pidfd.h */
#define PRL_PIDFD_GET_IPC_NAMESPACE _IO(0xFF, 2)
#define PRL_PIDFD_GET_NET_NAMESPACE _IO(0xFF, 4)

#define PRL_SO_PEERPIDFD 77 /* asm-generic/socket.h */
#define PRL_P_PIDFD      3  /* P_PIDFD of waitid(2), an enumerator in some C libraries */

/* linux/openat2.h */
#define PRL_RESOLVE_NO_XDEV       0x01
#define PRL_RESOLVE_NO_MAGICLINKS 0x02
#define PRL_RESOLVE_NO_SYMLINKS   0x04
#define PRL_RESOLVE_BENEATH       0x08
#define PRL_RESOLVE_IN_ROOT       0x10

/* linux/mount.h */
#define PRL_OPEN_TREE_CLONE         1
#define PRL_OPEN_TREE_CLOEXEC       O_CLOEXEC
#define PRL_AT_RECURSIVE            0x8000
#define PRL_MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#define PRL_MOVE_MOUNT_T_EMPTY_PATH 0x00000040
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY      0x00000001
#define MOUNT_ATTR_NOSUID      0x00000002
#define MOUNT_ATTR_NODEV       0x00000004
#define MOUNT_ATTR_NOEXEC      0x00000008
#define MOUNT_ATTR__ATIME      0x00000070
#define MOUNT_ATTR_RELATIME    0x00000000
#define MOUNT_ATTR_NOATIME     0x00000010
#define MOUNT_ATTR_STRICTATIME 0x00000020
#define MOUNT_ATTR_NODIRATIME  0x00000080
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

/* linux/landlock.h, ABI 1 to 7 */
#define PRL_LANDLOCK_FS_EXECUTE          (1ULL << 0)
#define PRL_LANDLOCK_FS_WRITE_FILE       (1ULL << 1)
#define PRL_LANDLOCK_FS_READ_FILE        (1ULL << 2)
#define PRL_LANDLOCK_FS_REFER            (1ULL << 13)
#define PRL_LANDLOCK_FS_TRUNCATE         (1ULL << 14)
#define PRL_LANDLOCK_FS_IOCTL_DEV        (1ULL << 15)
#define PRL_LANDLOCK_FS_ALL_ABI2         ((1ULL << 14) - 1)
#define PRL_LANDLOCK_SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define PRL_LANDLOCK_SCOPE_SIGNAL        (1ULL << 1)

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT           47
#define PR_CAP_AMBIENT_RAISE     2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

/* linux/tty: the peer of a pty by its master */
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* Numbers that are the same on every architecture since 5.1. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_open_tree
#define SYS_open_tree  428
#define SYS_move_mount 429
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* Calls that only older architectures have; -1: this one has not. */
#ifdef SYS_stat
#define PRL_SYS_STAT    SYS_stat
#define PRL_SYS_LSTAT   SYS_lstat
#define PRL_SYS_CHOWN   SYS_chown
#define PRL_SYS_LCHOWN  SYS_lchown
#define PRL_SYS_MKNOD   SYS_mknod
#define PRL_SYS_OPEN    SYS_open
#define PRL_SYS_CREAT   SYS_creat
#define PRL_SYS_MKDIR   SYS_mkdir
#define PRL_SYS_SYMLINK SYS_symlink
#define PRL_SYS_RENAME  SYS_rename
#else
#define PRL_SYS_STAT    (-1)
#define PRL_SYS_LSTAT   (-1)
#define PRL_SYS_CHOWN   (-1)
#define PRL_SYS_LCHOWN  (-1)
#define PRL_SYS_MKNOD   (-1)
#define PRL_SYS_OPEN    (-1)
#define PRL_SYS_CREAT   (-1)
#define PRL_SYS_MKDIR   (-1)
#define PRL_SYS_SYMLINK (-1)
#define PRL_SYS_RENAME  (-1)
#endif
#ifdef SYS_renameat
#define PRL_SYS_RENAMEAT SYS_renameat
#else
#define PRL_SYS_RENAMEAT (-1)
#endif
#ifdef SYS_setrlimit
#define PRL_SYS_GETRLIMIT SYS_getrlimit
#define PRL_SYS_SETRLIMIT SYS_setrlimit
#else
#define PRL_SYS_GETRLIMIT (-1)
#define PRL_SYS_SETRLIMIT (-1)
#endif

/* linux/audit.h, linux/seccomp.h */
#ifdef __aarch64__
#define PRL_AUDIT_ARCH 0xc00000b7u
#else
#define PRL_AUDIT_ARCH 0xc000003eu
#endif
#define PRL_SECCOMP_RET_USER_NOTIF     0x7fc00000u
#define PRL_SECCOMP_NEW_LISTENER       (1u << 3)
#define PRL_SECCOMP_WAIT_KILLABLE_RECV (1u << 5)
#define PRL_SECCOMP_NOTIF_SET_FLAGS    _IOW('!', 4, uint64_t)
#define PRL_SECCOMP_NOTIF_SYNC_WAKE_UP 1

struct prl_open_how {
    uint64_t flags, mode, resolve;
};

struct prl_mount_attr {
    uint64_t attr_set, attr_clr, propagation, userns_fd;
};

/* struct clone_args, first published form plus set_tid and cgroup */
struct prl_clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};
