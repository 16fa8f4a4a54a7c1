/* probe.c: what a program inside a container can and cannot do, told by the kernel.
 * In: nothing.  Out: one line a question, "QUESTION<tab>ANSWER": an errno name, "allowed", or
 * "killed SIGNAL". Never: a lasting effect; each question is asked in a child of its own,
 * because the answer may be death. Built static, so that it runs in any root file system.  The
 * expected answers stand in SECURITY.md. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define NR(name, number) enum { NR_##name = number }
NR(clone3, 435);
NR(open_tree, 428);
NR(move_mount, 429);
NR(fsopen, 430);
NR(fsconfig, 431);
NR(fsmount, 432);
NR(fspick, 433);
NR(mount_setattr, 442);
NR(open_tree_attr, 467);
NR(io_uring_setup, 425);
NR(io_uring_enter, 426);
NR(io_uring_register, 427);

static const char *errno_name(int e)
{
    static char number[16];
    switch (e) {
    case EPERM:
        return "EPERM";
    case ENOSYS:
        return "ENOSYS";
    case EINVAL:
        return "EINVAL";
    case EACCES:
        return "EACCES";
    case EFAULT:
        return "EFAULT";
    case EBADF:
        return "EBADF";
    case ENOENT:
        return "ENOENT";
    case ENODEV:
        return "ENODEV";
    case EROFS:
        return "EROFS";
    case ESRCH:
        return "ESRCH";
    case EAFNOSUPPORT:
        return "EAFNOSUPPORT";
    case EPROTONOSUPPORT:
        return "EPROTONOSUPPORT";
    case ENOTTY:
        return "ENOTTY";
    case EIO:
        return "EIO";
    case ENXIO:
        return "ENXIO";
    case ENOSPC:
        return "ENOSPC";
    }
    snprintf(number, sizeof number, "errno %d", e);
    return number;
}

typedef long (*question_fn)(void);

/* The child's exit status is the errno, 0 for success, 255 when it could not be told. */
static void ask(const char *name, question_fn question)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        errno = 0;
        long r = question();
        _exit(r >= 0 ? 0 : errno > 0 && errno < 255 ? errno : 255);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("%s\tkilled %s\n", name,
               WTERMSIG(status) == SIGSYS ? "SIGSYS" : strsignal(WTERMSIG(status)));
    else
        printf("%s\t%s\n", name,
               WEXITSTATUS(status) == 0 ? "allowed" : errno_name(WEXITSTATUS(status)));
}

static long clone_with(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}
static long q_clone_user(void)
{
    return clone_with(CLONE_NEWUSER);
}
static long q_clone_net(void)
{
    return clone_with(CLONE_NEWNET);
}
static long q_clone_plain(void)
{
    return clone_with(0);
}
static long q_unshare_user(void)
{
    return unshare(CLONE_NEWUSER);
}
static long q_unshare_mount(void)
{
    return unshare(CLONE_NEWNS);
}
static long q_unshare_files(void)
{
    return unshare(CLONE_FILES);
}
static long q_clone3(void)
{
    uint64_t args[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long pid = syscall(NR_clone3, args, sizeof args);
    if (pid == 0)
        _exit(0);
    return pid;
}
static long q_setns(void)
{
    int fd = open("/proc/self/ns/uts", O_RDONLY);
    return setns(fd, CLONE_NEWUTS);
}
static long q_mount(void)
{
    return mount("none", "/tmp", "tmpfs", 0, NULL);
}
static long q_bind(void)
{
    return mount("/", "/tmp", NULL, MS_BIND, NULL);
}
static long q_remount(void)
{
    return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
}
static long q_umount(void)
{
    return umount2("/proc", MNT_DETACH);
}
static long q_pivot(void)
{
    return syscall(SYS_pivot_root, "/tmp", "/tmp");
}
static long q_fsopen(void)
{
    return syscall(NR_fsopen, "tmpfs", 0);
}
static long q_fsconfig(void)
{
    return syscall(NR_fsconfig, -1, 0, 0, 0, 0);
}
static long q_fsmount(void)
{
    return syscall(NR_fsmount, -1, 0, 0);
}
static long q_fspick(void)
{
    return syscall(NR_fspick, AT_FDCWD, "/", 0);
}
static long q_open_tree(void)
{
    return syscall(NR_open_tree, AT_FDCWD, "/", 1);
}
static long q_open_tree_attr(void)
{
    return syscall(NR_open_tree_attr, AT_FDCWD, "/", 1, 0, 0);
}
static long q_move_mount(void)
{
    return syscall(NR_move_mount, -1, "", -1, "", 0);
}
static long q_mount_setattr(void)
{
    uint64_t attr[4] = {0};
    return syscall(NR_mount_setattr, AT_FDCWD, "/", 0, attr, sizeof attr);
}
static long q_uring_setup(void)
{
    char params[120] = {0};
    return syscall(NR_io_uring_setup, 1, params);
}
static long q_uring_enter(void)
{
    return syscall(NR_io_uring_enter, -1, 0, 0, 0, 0, 0);
}
static long q_uring_register(void)
{
    return syscall(NR_io_uring_register, -1, 0, 0, 0);
}
static long q_perf(void)
{
    uint32_t attr[32] = {1, 128, 1};
    return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}
static long q_keyctl(void)
{
    return syscall(SYS_keyctl, 0, -3, 0, 0, 0);
}
static long q_add_key(void)
{
    return syscall(SYS_add_key, "user", "probe", "x", 1, -3);
}
static long q_request_key(void)
{
    return syscall(SYS_request_key, "user", "probe", NULL, -3);
}
static long q_bpf(void)
{
    char attr[128] = {0};
    return syscall(SYS_bpf, 5, attr, sizeof attr);
}
static long q_userfaultfd(void)
{
    return syscall(SYS_userfaultfd, 1);
}
static long q_by_handle(void)
{
    struct {
        unsigned bytes;
        int type;
        char handle[8];
    } h = {8, 1, {0}};
    return syscall(SYS_open_by_handle_at, AT_FDCWD, &h, 0);
}
static long q_vsock(void)
{
    return socket(40, SOCK_STREAM, 0);
}
static long q_alg(void)
{
    return socket(38, SOCK_SEQPACKET, 0);
}
static long q_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}
static long q_netfilter(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 12);
}
static long q_xfrm(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 6);
}
static long q_route(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}
static long q_inet(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}
static long q_raw(void)
{
    return socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
}
static long q_raw_icmp(void)
{
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}
static long q_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}
static long q_x32(void)
{
#ifdef __x86_64__
    return syscall(0x40000000 | SYS_getpid);
#else
    errno = ENOSYS;
    return -1;
#endif
}
static long q_int80(void)
{
#ifdef __x86_64__
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "r8", "r9", "r10", "r11", "memory");
    if (r < 0)
        errno = (int)-r;
    return r < 0 ? -1 : 0;
#else
    errno = ENOSYS;
    return -1;
#endif
}
/* A real pty of the container's own, as controlling terminal, so that only a filter can refuse.
 */
static int own_terminal(void)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), zero = 0;
    ioctl(master, TIOCSPTLCK, &zero);
    setsid();
    int slave = ioctl(master, _IO('T', 0x41), O_RDWR | O_NOCTTY);
    ioctl(slave, TIOCSCTTY, 0);
    return slave;
}
static long q_tiocsti(void)
{
    return syscall(SYS_ioctl, own_terminal(), TIOCSTI, "x");
}
static long q_tiocsti_high(void)
{
    return syscall(SYS_ioctl, own_terminal(), TIOCSTI | 1UL << 32, "x");
}
static long q_tioclinux(void)
{
    return syscall(SYS_ioctl, own_terminal(), TIOCLINUX, "\2");
}
static long q_tiocgwinsz(void)
{
    struct winsize size;
    return ioctl(own_terminal(), TIOCGWINSZ, &size);
}
static long q_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, 0, 0);
}
static long q_vm_readv(void)
{
    char a = 1, b;
    struct iovec l = {&b, 1}, r = {&a, 1};
    return process_vm_readv(getpid(), &l, 1, &r, 1, 0);
}
static long q_kexec(void)
{
    return syscall(SYS_kexec_load, 0, 0, 0, 0);
}
static long q_init_module(void)
{
    return syscall(SYS_init_module, "", 0, "");
}
static long q_reboot(void)
{
    return syscall(SYS_reboot, 0, 0, 0, 0);
}
static long q_swapon(void)
{
    return syscall(SYS_swapon, "/tmp/x", 0);
}
static long q_settime(void)
{
    return syscall(SYS_clock_settime, 0, NULL);
}
static long q_syslog(void)
{
    return syscall(SYS_syslog, 3, NULL, 0);
}
static long q_acct(void)
{
    return syscall(SYS_acct, NULL);
}
static long q_chroot(void)
{
    return chroot("/");
}
static long q_mknod(void)
{
    return mknod("/tmp/probe-node", S_IFCHR | 0600, 0x103);
}
static long q_personality(void)
{
    return syscall(SYS_personality, 0xffffffff);
}
static long q_personality_bad(void)
{
    return syscall(SYS_personality, 0x0040000);
}
static long q_seccomp_query(void)
{
    uint32_t action = 0x7fff0000;
    return syscall(SYS_seccomp, 2, 0, &action);
}
static long q_memfd(void)
{
    return syscall(SYS_memfd_create, "probe", 0);
}
static long q_statmount(void)
{
    return syscall(457, NULL, NULL, 0, 0);
}
static long q_listmount(void)
{
    return syscall(458, NULL, NULL, 0, 0);
}
static long q_unknown(void)
{
    return syscall(999);
}

static long open_write(const char *path)
{
    return open(path, O_WRONLY);
}
static long q_w_core_pattern(void)
{
    return open_write("/proc/sys/kernel/core_pattern");
}
static long q_w_sysrq(void)
{
    return open_write("/proc/sysrq-trigger");
}
static long q_w_uevent(void)
{
    return open_write("/sys/kernel/uevent_helper");
}
static long q_w_usr(void)
{
    return open("/usr/probe-file", O_WRONLY | O_CREAT, 0600);
}
static long read_some(const char *path)
{
    char b[16];
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return -1;
    long n = read(fd, b, sizeof b);
    if (n == 0)
        errno = ENXIO; /* empty: masked */
    return n > 0 ? 0 : -1;
}
static long q_r_keys(void)
{
    return read_some("/proc/keys");
}
static long q_r_kcore(void)
{
    return read_some("/proc/kcore");
}
static long q_r_timer_list(void)
{
    return read_some("/proc/timer_list");
}
static long q_r_sched_debug(void)
{
    return read_some("/proc/sched_debug");
}
static long q_r_shadow(void)
{
    return read_some("/etc/shadow");
}

static const struct {
    const char *name;
    question_fn question;
} questions[] = {
    {"clone", q_clone_plain},
    {"clone CLONE_NEWUSER", q_clone_user},
    {"clone CLONE_NEWNET", q_clone_net},
    {"clone3 CLONE_NEWUSER", q_clone3},
    {"unshare CLONE_NEWUSER", q_unshare_user},
    {"unshare CLONE_NEWNS", q_unshare_mount},
    {"unshare CLONE_FILES", q_unshare_files},
    {"setns", q_setns},
    {"mount tmpfs", q_mount},
    {"mount MS_BIND", q_bind},
    {"mount MS_REMOUNT", q_remount},
    {"umount2", q_umount},
    {"pivot_root", q_pivot},
    {"fsopen", q_fsopen},
    {"fsconfig", q_fsconfig},
    {"fsmount", q_fsmount},
    {"fspick", q_fspick},
    {"open_tree", q_open_tree},
    {"open_tree_attr", q_open_tree_attr},
    {"move_mount", q_move_mount},
    {"mount_setattr", q_mount_setattr},
    {"io_uring_setup", q_uring_setup},
    {"io_uring_enter", q_uring_enter},
    {"io_uring_register", q_uring_register},
    {"perf_event_open", q_perf},
    {"keyctl", q_keyctl},
    {"add_key", q_add_key},
    {"request_key", q_request_key},
    {"bpf", q_bpf},
    {"userfaultfd", q_userfaultfd},
    {"open_by_handle_at", q_by_handle},
    {"socket AF_VSOCK", q_vsock},
    {"socket AF_ALG", q_alg},
    {"socket AF_PACKET", q_packet},
    {"socket NETLINK_NETFILTER", q_netfilter},
    {"socket NETLINK_XFRM", q_xfrm},
    {"socket NETLINK_ROUTE", q_route},
    {"socket AF_INET", q_inet},
    {"socket AF_INET SOCK_RAW", q_raw},
    {"socket AF_INET SOCK_RAW ICMP", q_raw_icmp},
    {"socket AF_UNIX", q_unix},
    {"x32 call", q_x32},
    {"32-bit call", q_int80},
    {"ioctl TIOCSTI", q_tiocsti},
    {"ioctl TIOCSTI with high bits", q_tiocsti_high},
    {"ioctl TIOCLINUX", q_tioclinux},
    {"ioctl TIOCGWINSZ", q_tiocgwinsz},
    {"ptrace", q_ptrace},
    {"process_vm_readv", q_vm_readv},
    {"kexec_load", q_kexec},
    {"init_module", q_init_module},
    {"reboot", q_reboot},
    {"swapon", q_swapon},
    {"clock_settime", q_settime},
    {"syslog", q_syslog},
    {"acct", q_acct},
    {"chroot", q_chroot},
    {"mknod of a device", q_mknod},
    {"personality", q_personality},
    {"personality READ_IMPLIES_EXEC class", q_personality_bad},
    {"seccomp query", q_seccomp_query},
    {"memfd_create", q_memfd},
    {"statmount", q_statmount},
    {"listmount", q_listmount},
    {"unknown call", q_unknown},
    {"write /proc/sys/kernel/core_pattern", q_w_core_pattern},
    {"write /proc/sysrq-trigger", q_w_sysrq},
    {"write /sys/kernel/uevent_helper", q_w_uevent},
    {"create in /usr", q_w_usr},
    {"read /proc/keys", q_r_keys},
    {"read /proc/kcore", q_r_kcore},
    {"read /proc/timer_list", q_r_timer_list},
    {"read /proc/sched_debug", q_r_sched_debug},
    {"read /etc/shadow", q_r_shadow},
};

static void print_status(void)
{
    static const char *const keys[] = {
        "Uid:",    "Gid:",    "CapInh:",     "CapPrm:", "CapEff:",
        "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:"};
    char line[256];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (strncmp(line, keys[i], strlen(keys[i])) == 0)
                printf("%.*s\t%s", (int)strlen(keys[i]) - 1, line, line + strlen(keys[i]) + 1);
    if (f)
        fclose(f);
}

static void print_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    printf("descriptors above 2\t");
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.' && atoi(e->d_name) > 2 && atoi(e->d_name) != dirfd(dir))
            printf("%s ", e->d_name);
    printf("\n");
    closedir(dir);
}

static void print_processes(void)
{
    DIR *dir = opendir("/proc");
    int count = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        count += e->d_name[0] >= '1' && e->d_name[0] <= '9';
    printf("processes in sight\t%d\n", count);
    closedir(dir);
}

int main(void)
{
    print_status();
    print_descriptors();
    print_processes();
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        ask(questions[i].name, questions[i].question);
    return 0;
}
