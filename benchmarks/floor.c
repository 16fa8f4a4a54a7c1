/* floor.c: the least that a start in fresh namespaces can cost.
 * In: a program and its arguments.  Out: its exit status; with an option, what starts cost.
 * A start: clone3 with the address space shared until exec, all seven namespaces, the child
 * writes its own uid and gid map, exec, wait.  It mounts nothing, drops nothing and filters
 * nothing, so it is a floor and no container.
 * Never: anything of pyrootless; allocation between clone and exec.
 *
 *   floor [--spawn] [--loop N | --serve | --usage] PROGRAM [ARG…]
 *
 *   --spawn   no namespace, no map: clone3 and exec alone
 *   --loop N  N starts from this one process; a line "WALL_NS CPU_NS" each
 *   --serve   the same, but each start waits for a line on standard input
 *   --usage   one start, then "MAX_RSS_KIB" of the largest process of its tree
 *
 * Without main (-DFLOOR_LIBRARY -shared -fPIC) it is floor_start() for another process.
 * Source: clone(2), user_namespaces(7), getrusage(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

extern char **environ;

/* What the caller of floor_start gets.  Times: from just before clone to reaped; CPU is of
 * this process and of all it reaped. */
struct floor_cost {
    uint64_t wall_ns, cpu_ns;
    long max_rss_kib;
    int status;       /* of wait4 */
    int errnum;       /* 0, or why there was no start */
    const char *what; /* the call that failed */
};

enum {
    FLOOR_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                       CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET,
    FLOOR_STACK_BYTES = 16384,
    FLOOR_FAILED = 125,
};

/* struct clone_args of linux/sched.h, first version. */
struct floor_clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

struct floor_child {
    char *const *argv;
    bool spawn;
    char uid_map[32], gid_map[32];
    struct floor_cost *cost;
};

/* Allowed between clone and exec: the memory is the parent's, so the reason is simply left
 * there. */
static int child_failed(struct floor_child *child, const char *what)
{
    child->cost->errnum = errno;
    child->cost->what = what;
    return FLOOR_FAILED;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, strlen(text));
    int errnum = errno;
    close(fd);
    errno = errnum;
    return written < 0 ? -1 : 0;
}

static int child_main(void *arg)
{
    struct floor_child *child = arg;
    if (!child->spawn) {
        if (write_file("/proc/self/setgroups", "deny") < 0)
            return child_failed(child, "write(/proc/self/setgroups)");
        if (write_file("/proc/self/uid_map", child->uid_map) < 0)
            return child_failed(child, "write(/proc/self/uid_map)");
        if (write_file("/proc/self/gid_map", child->gid_map) < 0)
            return child_failed(child, "write(/proc/self/gid_map)");
    }
    execve(child->argv[0], child->argv, environ);
    return child_failed(child, "execve");
}

/* The child begins on a stack of its own and ends here: the frame below belongs to the parent,
 * who sleeps until exec. */
#if defined(__x86_64__)
static long clone3_child(struct floor_clone_args *args, struct floor_child *child)
{
    register long result __asm__("rax") = SYS_clone3;
    register void *data __asm__("rbx") = child;
    register int (*entry)(void *) __asm__("r14") = child_main;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 2f\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "movq %%rbx, %%rdi\n\t"
                     "callq *%%r14\n\t"
                     "movl %%eax, %%edi\n\t"
                     "movl $60, %%eax\n\t" /* exit(2) */
                     "syscall\n"
                     "2:"
                     : "+r"(result)
                     : "D"(args), "S"(sizeof *args), "r"(data), "r"(entry)
                     : "rcx", "r11", "memory", "cc");
    return result;
}
#elif defined(__aarch64__)
static long clone3_child(struct floor_clone_args *args, struct floor_child *child)
{
    register long result __asm__("x0") = (long)args;
    register long size __asm__("x1") = (long)sizeof *args;
    register long number __asm__("x8") = SYS_clone3;
    register void *data __asm__("x21") = child;
    register int (*entry)(void *) __asm__("x22") = child_main;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 2f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x21\n\t"
                     "blr x22\n\t"
                     "mov x8, #93\n\t" /* exit(2) */
                     "svc #0\n"
                     "2:"
                     : "+r"(result)
                     : "r"(size), "r"(number), "r"(data), "r"(entry)
                     : "x30", "memory", "cc");
    return result;
}
#else
#error "floor.c: clone3 with a stack needs a few lines of assembly for this architecture"
#endif

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_ns(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    uint64_t seconds = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    uint64_t micros = (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return seconds * 1000000000U + micros * 1000U;
}

static uint64_t tree_cpu_ns(void)
{
    return cpu_ns(RUSAGE_SELF) + cpu_ns(RUSAGE_CHILDREN);
}

static pid_t start(const struct floor_clone_args *wanted, struct floor_child *child)
{
    struct floor_clone_args args = *wanted;
    long pid = clone3_child(&args, child);
    if (pid < 0) {
        child->cost->errnum = (int)-pid;
        child->cost->what = "clone3";
    }
    return (pid_t)pid;
}

/* One start, until it is reaped.  Returns 0, or -1 with cost->errnum and cost->what. */
__attribute__((visibility("default"))) int floor_start(char *const *argv, int spawn,
                                                       struct floor_cost *cost)
{
    static _Thread_local char stack[FLOOR_STACK_BYTES] __attribute__((aligned(16)));
    struct floor_child child = {.argv = argv, .spawn = spawn != 0, .cost = cost};
    struct rusage usage;
    *cost = (struct floor_cost){0};
    snprintf(child.uid_map, sizeof child.uid_map, "0 %u 1", (unsigned)geteuid());
    snprintf(child.gid_map, sizeof child.gid_map, "0 %u 1", (unsigned)getegid());
    struct floor_clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | (uint64_t)(spawn ? 0 : FLOOR_NAMESPACES),
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = sizeof stack,
    };
    uint64_t cpu_before_ns = tree_cpu_ns();
    uint64_t begin_ns = now_ns();
    pid_t pid = start(&args, &child);
    if (pid < 0)
        return -1;
    pid_t reaped;
    do {
        reaped = wait4(pid, &cost->status, 0, &usage);
    } while (reaped < 0 && errno == EINTR);
    cost->wall_ns = now_ns() - begin_ns;
    cost->cpu_ns = tree_cpu_ns() - cpu_before_ns;
    cost->max_rss_kib = usage.ru_maxrss;
    return cost->errnum ? -1 : 0;
}

#ifndef FLOOR_LIBRARY

enum floor_mode { MODE_ONCE, MODE_LOOP, MODE_SERVE, MODE_USAGE };

struct floor_options {
    enum floor_mode mode;
    unsigned long rounds;
    bool spawn;
    char *const *argv;
};

static int usage_failed(const char *message)
{
    fprintf(stderr,
            "floor: %s\nusage: floor [--spawn] [--loop N | --serve | --usage] PROGRAM [ARG…]\n",
            message);
    return FLOOR_FAILED;
}

/* Returns 0, or the exit status of a wrong command line. */
static int parse(char **argv, struct floor_options *ret)
{
    char *end = NULL;
    for (argv++; *argv && strncmp(*argv, "--", 2) == 0; argv++) {
        if (strcmp(*argv, "--spawn") == 0) {
            ret->spawn = true;
        } else if (strcmp(*argv, "--serve") == 0) {
            ret->mode = MODE_SERVE;
        } else if (strcmp(*argv, "--usage") == 0) {
            ret->mode = MODE_USAGE;
        } else if (strcmp(*argv, "--loop") == 0 && argv[1]) {
            ret->mode = MODE_LOOP;
            ret->rounds = strtoul(*++argv, &end, 10);
            if (*end || ret->rounds == 0)
                return usage_failed("--loop takes a number of starts, at least 1");
        } else {
            return usage_failed("unknown option, or --loop without its number");
        }
    }
    if (!*argv)
        return usage_failed("name the program to start, by its path");
    ret->argv = argv;
    return 0;
}

static int exit_code(const struct floor_cost *cost)
{
    return WIFSIGNALED(cost->status) ? 128 + WTERMSIG(cost->status) : WEXITSTATUS(cost->status);
}

static int measure_once(const struct floor_options *options, struct floor_cost *ret)
{
    if (floor_start(options->argv, options->spawn, ret) == 0)
        return 0;
    fprintf(stderr, "floor: %s of %s: %s\n", ret->what, options->argv[0],
            strerror(ret->errnum));
    return FLOOR_FAILED;
}

/* Lines of "WALL_NS CPU_NS".  A program that fails ends the run with its exit status. */
static int measure_many(const struct floor_options *options)
{
    struct floor_cost cost;
    char line[64];
    bool serve = options->mode == MODE_SERVE;
    for (unsigned long round = 0; serve || round < options->rounds; round++) {
        if (serve && !fgets(line, sizeof line, stdin))
            return 0;
        int r = measure_once(options, &cost);
        if (r == 0)
            r = exit_code(&cost);
        if (r != 0)
            return r;
        printf("%llu %llu\n", (unsigned long long)cost.wall_ns,
               (unsigned long long)cost.cpu_ns);
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct floor_options options = {0};
    struct floor_cost cost;
    int r = parse(argv, &options);
    if (r != 0)
        return r;
    if (options.mode == MODE_LOOP || options.mode == MODE_SERVE)
        return measure_many(&options);
    r = measure_once(&options, &cost);
    if (r != 0)
        return r;
    if (options.mode == MODE_USAGE)
        printf("%ld\n", cost.max_rss_kib);
    return exit_code(&cost);
}

#endif
