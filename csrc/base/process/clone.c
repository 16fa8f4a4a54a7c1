/* clone.c: one new process, with clone3 or, where an outer container's filter refuses it,
 * clone. In: flags, a stack, a function.  Out: pid (and a pidfd).  Never: fork handlers,
 * allocation, copying the caller's memory when CLONE_VM is asked for.  Source: clone(2). */
#include "base/sys.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child starts on its own stack, so it must not return through the caller's frame: the call
 * and the jump to the function are one piece of assembly. */
#if defined(__x86_64__)
static long clone3_call(struct prl_clone_args *args, size_t size, int (*fn)(void *), void *arg)
{
    register long result __asm__("rax") = SYS_clone3;
    register int (*child_fn)(void *) __asm__("r12") = fn;
    register void *child_arg __asm__("r13") = arg;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "mov %%eax, %%edi\n\t"
                     "mov $60, %%eax\n\t" /* exit */
                     "syscall\n\t"
                     "hlt\n"
                     "1:"
                     : "+a"(result)
                     : "D"(args), "S"(size), "r"(child_fn), "r"(child_arg)
                     : "rcx", "r11", "memory");
    return result;
}

long prl_sys_raw(long number, const long args[5])
{
    register long r10 __asm__("r10") = args[3];
    register long r8 __asm__("r8") = args[4];
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static long clone3_call(struct prl_clone_args *args, size_t size, int (*fn)(void *), void *arg)
{
    register long x0 __asm__("x0") = (long)args;
    register long x1 __asm__("x1") = (long)size;
    register long x8 __asm__("x8") = SYS_clone3;
    register int (*x9)(void *) __asm__("x19") = fn;
    register void *x10 __asm__("x20") = arg;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x20\n\t"
                     "blr x19\n\t"
                     "mov x8, #93\n\t" /* exit */
                     "svc #0\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x1), "r"(x8), "r"(x9), "r"(x10)
                     : "x30", "memory");
    return x0;
}

long prl_sys_raw(long number, const long args[5])
{
    register long x0 __asm__("x0") = args[0];
    register long x1 __asm__("x1") = args[1];
    register long x2 __asm__("x2") = args[2];
    register long x3 __asm__("x3") = args[3];
    register long x4 __asm__("x4") = args[4];
    register long x8 __asm__("x8") = number;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8)
                     : "memory");
    return x0;
}
#else
static long clone3_call(struct prl_clone_args *args, size_t size, int (*fn)(void *), void *arg)
{
    (void)args, (void)size, (void)fn, (void)arg;
    return -ENOSYS;
}

long prl_sys_raw(long number, const long args[5])
{
    int before = errno;
    long result = syscall(number, args[0], args[1], args[2], args[3], args[4]);
    result = result < 0 ? -errno : result;
    errno = before;
    return result;
}
#endif

/* FALLBACK: the C library's clone(): no CLEAR_SIGHAND, no INTO_CGROUP.  Remove when no outer
 * container filters clone3. */
struct fallback {
    int (*fn)(void *);
    void *arg;
};

static int fallback_child(void *data)
{
    struct fallback *f = data;
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction action;
        if (sigaction(sig, NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
            action.sa_handler = SIG_DFL;
            action.sa_flags = 0;
            sigaction(sig, &action, NULL);
        }
    }
    return f->fn(f->arg);
}

static pid_t clone_fallback(const struct prl_sys_clone *how, int (*fn)(void *), void *arg)
{
    /* On the child's stack: this function may have returned before the child looks. */
    struct fallback *f = (struct fallback *)((char *)how->stack + how->stack_size) - 1;
    int flags =
        (int)(how->flags & 0xffffffffU & ~(uint64_t)CLONE_PIDFD) | (how->quiet ? 0 : SIGCHLD);
    char *top = (char *)f - ((uintptr_t)f & 15);
    if (how->cgroup_fd >= 0 || how->tid) {
        errno = ENOSYS;
        return -1;
    }
    *f = (struct fallback){fn, arg};
    flags |= how->ret_pid ? CLONE_PARENT_SETTID : 0;
    flags |= how->cleared ? CLONE_CHILD_CLEARTID : 0;
    pid_t pid = clone(fallback_child, top, flags, f, how->ret_pid, NULL, how->cleared);
    if (pid > 0 && how->pidfd)
        *how->pidfd = prl_sys_pidfd_open(pid);
    return pid;
}

pid_t prl_sys_clone_run(const struct prl_sys_clone *how, int (*fn)(void *), void *arg)
{
    int pidfd = -1;
    struct prl_clone_args args = {
        .flags = how->flags | PRL_CLONE_CLEAR_SIGHAND | (how->pidfd ? CLONE_PIDFD : 0) |
                 (how->ret_pid ? CLONE_PARENT_SETTID : 0) |
                 (how->cleared ? CLONE_CHILD_CLEARTID : 0) |
                 (how->cgroup_fd >= 0 ? PRL_CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .child_tid = (uint64_t)(uintptr_t)how->cleared,
        .parent_tid = (uint64_t)(uintptr_t)how->ret_pid,
        .exit_signal =
            how->quiet || how->flags & CLONE_PARENT ? 0 : SIGCHLD, /* the caller's own */
        .stack = (uint64_t)(uintptr_t)how->stack,
        .stack_size = how->stack_size,
        .set_tid = how->tid ? (uint64_t)(uintptr_t)&how->tid : 0,
        .set_tid_size = how->tid ? 1 : 0,
        .cgroup = how->cgroup_fd >= 0 ? (uint64_t)how->cgroup_fd : 0,
    };
    long pid = clone3_call(&args, sizeof args, fn, arg);
    if (pid > 0) {
        if (how->pidfd)
            *how->pidfd = pidfd;
        return (pid_t)pid;
    }
    if (pid != -ENOSYS) {
        errno = (int)-pid;
        return -1;
    }
    if (how->pidfd)
        *how->pidfd = -1;
    return clone_fallback(how, fn, arg);
}

void *prl_sys_stack_map(size_t size)
{
    void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    return stack == MAP_FAILED ? NULL : stack;
}

pid_t prl_sys_clone_masked(const struct prl_sys_clone *how, int (*fn)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = prl_sys_clone_run(how, fn, arg);
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

pid_t prl_sys_clone_shared(size_t stack_size, int (*fn)(void *), void *arg)
{
    void *stack = prl_sys_stack_map(stack_size);
    if (!stack)
        return -1;
    const struct prl_sys_clone how = {.flags = CLONE_VM | CLONE_VFORK,
                                      .stack = stack,
                                      .stack_size = stack_size,
                                      .cgroup_fd = -1};
    pid_t pid = prl_sys_clone_masked(&how, fn, arg);
    int saved = errno;
    munmap(stack, stack_size);
    errno = saved;
    return pid;
}

int prl_sys_reap(pid_t pid, int *ret_status)
{
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}
