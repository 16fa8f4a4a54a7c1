/* init.c: the small init, a program of its own without a C library.
 * In: argv = "init", number of the report descriptor, path of the program, its argv;
 * environment. Out: the program as its child; signals passed on; zombies reaped; the child's
 * status as its own (128+n for a signal). Never: anything else: it is pid 1 of a container with
 * hostile code, and its memory holds nothing but its arguments. It is embedded in the launcher
 * and executed from a sealed memory file.  Source: the kernel's system call tables. */

typedef unsigned long ulong;

#if defined(__x86_64__)
enum {
    NR_WRITE = 1,
    NR_FCNTL = 72,
    NR_CLOSE = 3,
    NR_SIGPROCMASK = 14,
    NR_SIGACTION = 13,
    NR_IOCTL = 16,
    NR_CLONE = 56,
    NR_EXECVE = 59,
    NR_EXIT = 60,
    NR_GETPID = 39,
    NR_WAIT4 = 61,
    NR_KILL = 62,
    NR_SETPGID = 109,
    NR_SIGTIMEDWAIT = 128
};
static long call(long n, ulong a, ulong b, ulong c, ulong d)
{
    long result;
    register ulong r10 __asm__("r10") = d;
    register ulong r8 __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall "
        "init_main\n\thlt\n");
#elif defined(__aarch64__)
enum {
    NR_WRITE = 64,
    NR_FCNTL = 25,
    NR_CLOSE = 57,
    NR_SIGPROCMASK = 135,
    NR_SIGACTION = 134,
    NR_IOCTL = 29,
    NR_CLONE = 220,
    NR_EXECVE = 221,
    NR_EXIT = 93,
    NR_GETPID = 172,
    NR_WAIT4 = 260,
    NR_KILL = 129,
    NR_SETPGID = 154,
    NR_SIGTIMEDWAIT = 137
};
static long call(long n, ulong a, ulong b, ulong c, ulong d)
{
    register long x8 __asm__("x8") = n;
    register ulong x0 __asm__("x0") = a;
    register ulong x1 __asm__("x1") = b;
    register ulong x2 __asm__("x2") = c;
    register ulong x3 __asm__("x3") = d;
    register ulong x4 __asm__("x4") = 0;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory");
    return (long)x0;
}
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x0, sp\n\tbl init_main\n\tbrk #0\n");
#else
#error "init.c: this architecture is not supported yet"
#endif

enum {
    SIG_BLOCK_ = 0,
    SIG_UNBLOCK_ = 1,
    SIGCHLD_ = 17,
    SIGTTIN_ = 21,
    SIGTTOU_ = 22,
    F_SETFD_ = 2,
    WNOHANG_ = 1,
    TIOCSPGRP_ = 0x5410,
    STAGE_EXEC = 18,
    SET_BYTES = 8
};

/* The wire form of struct prl_error; prl.h holds the names.  A test compares both sizes. */
struct record {
    int errnum;
    unsigned short stage, reserved;
    char syscall[24];
    char subject[224];
};

static void report(int fd, long error, const char *subject)
{
    static struct record r;
    static const char name[] = "execve";
    r.errnum = (int)-error;
    r.stage = STAGE_EXEC;
    for (ulong i = 0; i < sizeof name; i++)
        r.syscall[i] = name[i];
    for (ulong i = 0; i + 1 < sizeof r.subject && subject[i]; i++)
        r.subject[i] = subject[i];
    call(NR_WRITE, (ulong)fd, (ulong)&r, sizeof r, 0);
}

static int number(const char *text)
{
    int value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (*text - '0');
    return value;
}

static void run_child(int report_fd, char **argv, char **envp, ulong *all)
{
    /* A process group of its own, in the terminal's foreground: Ctrl-C must reach the program
     * and not this init. All signals are blocked here, so SIGTTOU does not stop it. */
    int group = (int)call(NR_GETPID, 0, 0, 0, 0);
    call(NR_SETPGID, 0, 0, 0, 0);
    call(NR_IOCTL, 0, TIOCSPGRP_, (ulong)&group, 0); /* fails without a terminal: fine */
    call(NR_SIGPROCMASK, SIG_UNBLOCK_, (ulong)all, 0, SET_BYTES);
    long r = call(NR_EXECVE, (ulong)argv[0], (ulong)(argv + 1), (ulong)envp, 0);
    report(report_fd, r, argv[0]);
    call(NR_EXIT, 127, 0, 0, 0);
}

static void never_called(int signal)
{
    (void)signal;
}

/* Every signal stays blocked and is taken by sigtimedwait, so no handler runs.  But while that
 * call waits, the kernel shows the signals as not blocked: with a handler it shows them as
 * caught, and nobody outside takes them for deadly. */
static void catch_all(void)
{
    struct {
        void (*handler)(int);
        ulong flags;
        void *restorer;
        ulong mask;
    } action = {never_called, 0, 0, 0};
    for (ulong signal = 1; signal <= 64; signal++)
        call(NR_SIGACTION, signal, (ulong)&action, 0, SET_BYTES); /* KILL and STOP: EINVAL */
}

/* Reap everything there is; the exit code of `child` when it was among it, else -1. */
static int reap(long child)
{
    int status, code = -1;
    for (;;) {
        long pid = call(NR_WAIT4, (ulong)-1L, (ulong)&status, WNOHANG_, 0);
        if (pid <= 0)
            return code;
        if (pid == child)
            code = (status & 0x7f) ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
    }
}

__attribute__((used, noreturn)) void init_main(long *stack)
{
    long argc = stack[0];
    char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
    int report_fd = argc > 3 ? number(argv[1]) : -1;
    ulong all = ~0UL;
    call(NR_SIGPROCMASK, SIG_BLOCK_, (ulong)&all, 0, SET_BYTES);
    catch_all();
    if (report_fd < 0)
        call(NR_EXIT, 125, 0, 0, 0);
    call(NR_FCNTL, (ulong)report_fd, F_SETFD_, 1, 0);
    long child = call(NR_CLONE, SIGCHLD_, 0, 0, 0);
    if (child == 0)
        run_child(report_fd, argv + 2, envp, &all);
    if (child < 0) {
        report(report_fd, child, "init");
        call(NR_EXIT, 125, 0, 0, 0);
    }
    call(NR_CLOSE, (ulong)report_fd, 0, 0, 0);
    for (;;) {
        long sig = call(NR_SIGTIMEDWAIT, (ulong)&all, 0, 0, SET_BYTES);
        if (sig == SIGCHLD_) {
            int code = reap(child);
            if (code >= 0)
                call(NR_EXIT, (ulong)code, 0, 0, 0);
        } else if (sig > 0 && sig != SIGTTIN_ && sig != SIGTTOU_) {
            call(NR_KILL, (ulong)child, (ulong)sig, 0, 0);
        }
    }
}
