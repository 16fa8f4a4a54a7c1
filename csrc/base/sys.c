/* sys.c: the kernel's calls as this project uses them.
 * In: kernel arguments.  Out: as the kernel answers, -1 and errno.  Never: policy, allocation,
 * locks. */
#include "base/sys.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int prl_sys_pidfd_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by birth */
}

int prl_sys_peer_pidfd(int socket_fd)
{
    int pidfd = -1;
    socklen_t size = sizeof pidfd;
    return getsockopt(socket_fd, SOL_SOCKET, PRL_SO_PEERPIDFD, &pidfd, &size) < 0 ? -1 : pidfd;
}

int prl_sys_pidfd_send_signal(int pidfd, int signal)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int prl_sys_pidfd_getfd(int pidfd, int fd)
{
    return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

int prl_sys_waitid_pidfd(int pidfd, siginfo_t *info, int options, struct rusage *usage)
{
    return (int)syscall(SYS_waitid, PRL_P_PIDFD, pidfd, info, options, usage);
}

int prl_sys_close_range(unsigned first, unsigned last)
{
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
        return 0;
    /* FALLBACK for close_range: up to the limit of the process.  Needs no /proc, which the
     * container may not have; remove when kernel >= 5.9 is required. */
    if (errno == EINVAL)
        return -1;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    /* Descriptors opened before the limit was lowered may lie above it. */
    rlim_t end = limit.rlim_max < 65536 ? 65536 : limit.rlim_max;
    if (end > 1048576)
        end = 1048576;
    for (rlim_t fd = first; fd <= last && fd < end; fd++)
        close((int)fd);
    return 0;
}

int prl_sys_open_tree(int dir_fd, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dir_fd, path, flags);
}

int prl_sys_move_mount(int from_fd, int to_fd, const char *name)
{
    unsigned flags = PRL_MOVE_MOUNT_F_EMPTY_PATH | (*name ? 0 : PRL_MOVE_MOUNT_T_EMPTY_PATH);
    return (int)syscall(SYS_move_mount, from_fd, "", to_fd, name, flags);
}

int prl_sys_mount_setattr(int dir_fd, unsigned flags, uint64_t set, uint64_t clear,
                          uint64_t propagation)
{
    struct prl_mount_attr attr = {
        .attr_set = set, .attr_clr = clear, .propagation = propagation};
    /* The access-time mode is one field, not a set of bits: it is replaced whole. */
    if ((set | clear) & MOUNT_ATTR__ATIME)
        attr.attr_clr |= MOUNT_ATTR__ATIME;
    return (int)syscall(SYS_mount_setattr, dir_fd, "", AT_EMPTY_PATH | flags, &attr,
                        sizeof attr);
}

int prl_sys_pivot_root(const char *new_root, const char *put_old)
{
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

struct cap_header {
    uint32_t version;
    int pid;
};

struct cap_words {
    uint32_t effective, permitted, inheritable;
};

enum { CAP_VERSION_3 = 0x20080522 };

int prl_sys_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct cap_header header = {.version = CAP_VERSION_3};
    struct cap_words words[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
         (uint32_t)(inheritable >> 32)},
    };
    return (int)syscall(SYS_capset, &header, words);
}

int prl_sys_capget(uint64_t *effective, uint64_t *permitted)
{
    struct cap_header header = {.version = CAP_VERSION_3};
    struct cap_words words[2];
    if (syscall(SYS_capget, &header, words) < 0)
        return -1;
    *effective = words[0].effective | (uint64_t)words[1].effective << 32;
    *permitted = words[0].permitted | (uint64_t)words[1].permitted << 32;
    return 0;
}

long prl_sys_getdents(int fd, void *buf, size_t size)
{
    return syscall(SYS_getdents64, fd, buf, size);
}

/* The system calls, not the C library's functions: those change every thread of the caller,
 * whose memory this is. */
int prl_sys_become(uint32_t uid, uint32_t gid, const char **ret_failed)
{
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    *ret_failed = "setresgid";
    if (syscall(SYS_setresgid, gid, gid, gid) < 0)
        return -1;
    *ret_failed = "setresuid";
    if (syscall(SYS_setresuid, uid, uid, uid) < 0)
        return -1;
    *ret_failed = "prctl";
    return dumpable == 1 ? prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) : 0;
}

int prl_sys_seccomp_load(const void *filter, unsigned short len)
{
    struct {
        unsigned short len;
        const void *filter;
    } program = {len, filter};
    enum { SET_MODE_FILTER = 1 };
    return (int)syscall(SYS_seccomp, SET_MODE_FILTER, 0, &program);
}

int prl_sys_seccomp_listen(const void *filter, unsigned short len)
{
    struct {
        unsigned short len;
        const void *filter;
    } program = {len, filter};
    enum { SET_MODE_FILTER = 1 };
    int fd = (int)syscall(SYS_seccomp, SET_MODE_FILTER,
                          PRL_SECCOMP_NEW_LISTENER | PRL_SECCOMP_WAIT_KILLABLE_RECV, &program);
    if (fd >= 0 || errno != EINVAL)
        return fd;
    /* FALLBACK for WAIT_KILLABLE_RECV: a signal then interrupts a call that is being answered;
     * remove when kernel >= 5.19 is required. */
    return (int)syscall(SYS_seccomp, SET_MODE_FILTER, PRL_SECCOMP_NEW_LISTENER, &program);
}

int prl_sys_set_affinity(const unsigned char *mask, size_t size)
{
    return (int)syscall(SYS_sched_setaffinity, 0, size, mask);
}

int prl_sys_be_ordinary(void)
{
    const struct sched_param none = {0};
    long class = syscall(SYS_sched_getscheduler, 0); /* musl's own functions refuse */
    bool real_time = class == SCHED_FIFO || class == SCHED_RR;
    if (real_time && syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none) < 0)
        return -1;
    return getpriority(PRIO_PROCESS, 0) < 0 ? setpriority(PRIO_PROCESS, 0, 0) : 0;
}

unsigned prl_sys_processors(void)
{
    unsigned long mask[128]; /* 8192, the most a kernel is built for */
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    unsigned count = 0;
    for (long i = 0; i < bytes / (long)sizeof *mask; i++)
        count += (unsigned)__builtin_popcountl(mask[i]);
    return count ? count : 1;
}

int prl_sys_place(pid_t pid, enum prl_task_on on)
{
    enum { BITS = 8 * sizeof(unsigned long), WORDS = 128 };
    unsigned long mask[WORDS];
    unsigned here = 0;
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    if (bytes <= 0 || syscall(SYS_getcpu, &here, NULL, NULL) < 0 || here >= BITS * WORDS)
        return -1;
    if (on == PRL_ON_OTHERS)
        mask[here / BITS] &= ~(1UL << (here % BITS));
    if (on == PRL_ON_THIS)
        memset(mask, 0, sizeof mask);
    if (on == PRL_ON_THIS)
        mask[here / BITS] = 1UL << (here % BITS);
    return (int)syscall(SYS_sched_setaffinity, pid, bytes, mask);
}

int prl_sys_keyring_new(void)
{
    enum { JOIN_SESSION_KEYRING = 1 };
    return (int)syscall(SYS_keyctl, JOIN_SESSION_KEYRING, NULL);
}

int prl_sys_landlock_abi(void)
{
    enum { CREATE_RULESET_VERSION = 1 };
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
}

int prl_sys_landlock_create(uint64_t handled_fs, uint64_t handled_net, uint64_t scoped)
{
    uint64_t attr[3] = {handled_fs, handled_net, scoped};
    size_t size = scoped        ? 24
                  : handled_net ? 16
                                : 8; /* older kernels know a shorter structure */
    return (int)syscall(SYS_landlock_create_ruleset, attr, size, 0);
}

int prl_sys_landlock_allow(int ruleset_fd, uint64_t access, int parent_fd)
{
    struct {
        uint64_t access;
        int32_t parent_fd;
    } __attribute__((packed)) rule = {access, parent_fd};
    enum { RULE_PATH_BENEATH = 1 };
    return (int)syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &rule, 0);
}

int prl_sys_landlock_restrict(int ruleset_fd)
{
    return (int)syscall(SYS_landlock_restrict_self, ruleset_fd, 0);
}

int prl_sys_raise_loopback(const char **ret_failed)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    memcpy(request.ifr_name, "lo", 3);
    *ret_failed = "socket";
    long fd = prl_sys_raw(SYS_socket, PRL_RAW(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC));
    if (fd < 0)
        return (int)fd;
    *ret_failed = "ioctl SIOCSIFFLAGS";
    long r = prl_sys_raw(SYS_ioctl, PRL_RAW(fd, SIOCSIFFLAGS, PRL_RAW_POINTER(&request)));
    prl_sys_raw(SYS_close, PRL_RAW(fd));
    return (int)r;
}

char *prl_sys_decimal(uint64_t value, char *buf)
{
    char digits[24];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < n; i++)
        buf[i] = digits[n - 1 - i];
    buf[n] = '\0';
    return buf;
}

char *prl_sys_fd_path(int fd, char *buf)
{
    memcpy(buf, "/proc/self/fd/", 14);
    prl_sys_decimal((uint64_t)fd, buf + 14);
    return buf;
}

uint64_t prl_sys_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}
