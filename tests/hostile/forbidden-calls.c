/* attack: makes every call that reaches beyond a box, each in a child
 * verdict: OK
 * outside: all are refused or fatal
 * limits: cpu=5s wall=60s */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off
#define CALL(number, ...) {#number, number, {__VA_ARGS__}}
// clang-format on
static const struct {
    const char *name;
    long number, args[5];
} calls[] = {
    CALL(SYS_mount, 0, 0, 0, 0, 0),
    CALL(SYS_umount2, (long)"/proc", 2),
    CALL(SYS_pivot_root, (long)".", (long)"."),
    CALL(SYS_chroot, (long)"."),
    CALL(SYS_unshare, CLONE_NEWUSER),
    CALL(SYS_unshare, CLONE_NEWNS),
    CALL(SYS_setns, 0, 0),
    CALL(SYS_ptrace, PTRACE_ATTACH, 1, 0, 0),
    CALL(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0),
    CALL(SYS_process_vm_readv, 1, 0, 0, 0, 0),
    CALL(SYS_process_vm_writev, 1, 0, 0, 0, 0),
    CALL(SYS_bpf, 0, 0, 0),
    CALL(SYS_perf_event_open, 0, 0, -1, -1, 0),
    CALL(SYS_kexec_load, 0, 0, 0, 0),
    CALL(SYS_init_module, 0, 0, (long)""),
    CALL(SYS_finit_module, 0, (long)"", 0),
    CALL(SYS_delete_module, (long)"x", 0),
    CALL(SYS_reboot, 0xfee1dead, 672274793, 0),
    CALL(SYS_swapon, (long)"x", 0),
    CALL(SYS_sethostname, (long)"x", 1),
    CALL(SYS_acct, 0),
    CALL(SYS_quotactl, 0, 0, 0, 0),
    CALL(SYS_settimeofday, 0, 0),
    CALL(SYS_clock_settime, 0, 0),
    CALL(SYS_add_key, (long)"user", (long)"x", (long)"x", 1, -4),
    CALL(SYS_keyctl, 0, -3, 0),
    CALL(SYS_request_key, (long)"user", (long)"x", 0, 0),
    CALL(SYS_open_by_handle_at, 0, 0, 0),
    CALL(SYS_name_to_handle_at, -100, (long)".", 0, 0, 0),
    CALL(SYS_fanotify_init, 0, 0),
    CALL(SYS_inotify_init1, 0),
    CALL(SYS_memfd_create, (long)"x", 0),
    CALL(SYS_shmget, 0, 4096, 0600),
    CALL(SYS_msgget, 0, 0600),
    CALL(SYS_semget, 0, 1, 0600),
    CALL(SYS_setuid, 0),
    CALL(SYS_setgid, 0),
    CALL(SYS_setresuid, 0, 0, 0),
    CALL(SYS_setgroups, 0, 0),
    CALL(SYS_mknod, (long)"device", 020666, 0x101),
    CALL(SYS_mknod, (long)"block", 060666, 0x800),
    CALL(425 /* io_uring_setup */, 1, 0),
    CALL(428 /* open_tree */, -100, (long)".", 1),
    CALL(430 /* fsopen */, (long)"tmpfs", 0),
    CALL(438 /* pidfd_getfd */, 0, 0, 0),
    CALL(447 /* memfd_secret */, 0),
    CALL(323 /* userfaultfd, x86_64 */, 0),
#ifdef __x86_64__
    CALL(SYS_iopl, 3),
    CALL(SYS_ioperm, 0x70, 1, 1),
    CALL(SYS_modify_ldt, 17, 0, 0),
    CALL(39 | 0x40000000 /* getpid of x32 */, 0),
#endif
};

/* 0: refused, or it was killed for it. */
static int try(unsigned i)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        const long *a = calls[i].args;
        _exit(syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4]) >= 0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return 1;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) != SIGSYS;
    return WEXITSTATUS(status);
}

int main(void)
{
    int wrong = 0;
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
        if (try(i))
            wrong |= printf("through: %s\n", calls[i].name);
    return wrong != 0;
}
