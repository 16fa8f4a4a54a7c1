/* once.c: run a program of which one system call fails once, or a process of it is killed
 * there. In: once CALL NTH ANSWER GO FOUND -- PROGRAM [ARGUMENT…] CALL    name of the call NTH
 * which of them, counted over all of our processes since the file GO is there ANSWER  number of
 * an error; KILL: its process dies, unless it is the program itself; TEXT:WORD: EIO to every
 * call whose first path has this word, and NTH is not looked at FOUND   a file that gets how
 * many calls there were, and how many of them failed Out: the program's own exit status; 120
 * when this failed. Never: a call counted that a program in a box makes: ours are those whose
 * command line is that of PROGRAM (its threads, its children before they execute), the init and
 * the start barrier.
 *
 * The kernel asks this process about each of these calls (seccomp_unotify(2)), so they are
 * counted over all processes together, which strace(1) does not do.  It needs no_new_privs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_ONCE = 120, LINE_BYTES = 4096, STACK_BYTES = 65536 };

static const struct {
    const char *name;
    int number, path; /* path: which argument is one; -1: none */
} calls[] = {
    {"capset", SYS_capset, -1},
    {"chdir", SYS_chdir, 0},
    {"clone3", SYS_clone3, -1},
    {"close_range", SYS_close_range, -1},
    {"dup3", SYS_dup3, -1},
    {"execve", SYS_execve, 0},
    {"execveat", SYS_execveat, 1},
    {"fchmod", SYS_fchmod, -1},
    {"fcntl", SYS_fcntl, -1},
    {"fstatfs", SYS_fstatfs, -1},
    {"ioctl", SYS_ioctl, -1},
    {"memfd_create", SYS_memfd_create, 0},
    {"mkdirat", SYS_mkdirat, 1},
    {"mount", SYS_mount, 1},
    {"mount_setattr", SYS_mount_setattr, -1},
    {"move_mount", SYS_move_mount, -1},
    {"open_tree", SYS_open_tree, 1},
    {"openat", SYS_openat, 1},
    {"openat2", SYS_openat2, 1},
    {"perf_event_open", SYS_perf_event_open, -1},
    {"pipe2", SYS_pipe2, -1},
    {"pivot_root", SYS_pivot_root, -1},
    {"poll", SYS_poll, -1},
    {"ppoll", SYS_ppoll, -1},
    {"prctl", SYS_prctl, -1},
    {"pread64", SYS_pread64, -1},
    {"prlimit64", SYS_prlimit64, -1},
    {"read", SYS_read, -1},
    {"recvmsg", SYS_recvmsg, -1},
    {"seccomp", SYS_seccomp, -1},
    {"sendfile", SYS_sendfile, -1},
    {"sendmsg", SYS_sendmsg, -1},
    {"sethostname", SYS_sethostname, -1},
    {"setns", SYS_setns, -1},
    {"setsid", SYS_setsid, -1},
    {"socket", SYS_socket, -1},
    {"socketpair", SYS_socketpair, -1},
    {"symlinkat", SYS_symlinkat, -1},
    {"umount2", SYS_umount2, -1},
    {"unlinkat", SYS_unlinkat, 1},
    {"wait4", SYS_wait4, -1},
    {"waitid", SYS_waitid, -1},
    {"write", SYS_write, -1},
};

struct fault {
    int number, path;
    unsigned long nth;
    int error; /* 0: kill */
    const char *text, *go, *found;
    char **program;
    int listener_fd; /* shared with the child until that executes */
    pid_t child;
    char line[LINE_BYTES]; /* of the program */
    ssize_t line_len;
    unsigned long seen, failed;
};

static int die(const char *what)
{
    fprintf(stderr, "once: %s: %s\n", what, strerror(errno));
    return EXIT_ONCE;
}

static int install(int number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &program);
}

/* Shares this table of descriptors: the listener is the parent's too. */
static int child_main(void *data)
{
    struct fault *f = data;
    int fd = install(f->number);
    __atomic_store_n(&f->listener_fd, fd, __ATOMIC_RELEASE);
    if (fd < 0)
        return die("seccomp");
    execv(f->program[0], f->program);
    return die("execute");
}

static ssize_t read_line(pid_t pid, char *buf)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, LINE_BYTES);
    if (fd >= 0)
        close(fd);
    return n;
}

static bool is_ours(struct fault *f, pid_t pid)
{
    char line[LINE_BYTES];
    ssize_t n = read_line(pid, line);
    if (access(f->go, F_OK) < 0 || n <= 0)
        return false;
    if (f->line_len <= 0)
        f->line_len = read_line(f->child, f->line);
    return strcmp(line, "init") == 0 || strcmp(line, "barrier") == 0 ||
           (n == f->line_len && memcmp(line, f->line, (size_t)n) == 0);
}

static bool has_text(const struct fault *f, const struct seccomp_notif *asked)
{
    char path[LINE_BYTES] = "";
    if (f->path < 0)
        return false;
    struct iovec here = {path, sizeof path - 1};
    struct iovec there = {(void *)(uintptr_t)asked->data.args[f->path], sizeof path - 1};
    ssize_t n = process_vm_readv((pid_t)asked->pid, &here, 1, &there, 1, 0);
    if (n < 0) { /* up to the end of the page */
        here.iov_len = there.iov_len = 4096 - asked->data.args[f->path] % 4096;
        n = process_vm_readv((pid_t)asked->pid, &here, 1, &there, 1, 0);
    }
    return n > 0 && strstr(path, f->text);
}

static bool is_program(const struct fault *f, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d", (int)f->child, (int)pid);
    return access(path, F_OK) == 0;
}

/* The error, or 0: go on. */
static int decide(struct fault *f, const struct seccomp_notif *asked)
{
    pid_t pid = (pid_t)asked->pid;
    if (!is_ours(f, pid))
        return 0;
    if (f->text && !has_text(f, asked))
        return 0;
    if (f->error == 0 && is_program(f, pid))
        return 0;
    if (++f->seen != f->nth && !f->text)
        return 0;
    f->failed++;
    if (f->error == 0)
        kill(pid, SIGKILL);
    return f->error;
}

static void serve(struct fault *f)
{
    struct pollfd fd = {f->listener_fd, POLLIN, 0};
    while (poll(&fd, 1, -1) > 0 && (fd.revents & POLLIN)) {
        struct seccomp_notif asked = {0};
        if (ioctl(f->listener_fd, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
            continue; /* it was killed meanwhile */
        int error = decide(f, &asked);
        struct seccomp_notif_resp answer = {
            .id = asked.id,
            .error = -error,
            .flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE,
        };
        (void)ioctl(f->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

static int parse(struct fault *f, int argc, char **argv)
{
    errno = EINVAL;
    if (argc < 8 || strcmp(argv[6], "--") != 0)
        return -1;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, argv[1]) == 0) {
            f->number = calls[i].number;
            f->path = calls[i].path;
        }
    f->nth = strtoul(argv[2], NULL, 10);
    if (strncmp(argv[3], "TEXT:", 5) == 0)
        f->text = argv[3] + 5;
    f->error = f->text ? EIO : strcmp(argv[3], "KILL") == 0 ? 0 : atoi(argv[3]);
    f->go = argv[4];
    f->found = argv[5];
    f->program = argv + 7;
    return f->number < 0 ? -1 : 0;
}

static int tell(const struct fault *f)
{
    FILE *file = fopen(f->found, "we");
    if (!file)
        return -1;
    fprintf(file, "%lu %lu\n", f->seen, f->failed);
    return fclose(file);
}

int main(int argc, char **argv)
{
    static char stack[STACK_BYTES] __attribute__((aligned(16)));
    static struct fault f = {.number = -1, .listener_fd = -2};
    int status;
    if (parse(&f, argc, argv) < 0)
        return die("usage: once CALL NTH ANSWER GO FOUND -- PROGRAM");
    f.child = clone(child_main, stack + sizeof stack, CLONE_FILES | CLONE_VM | SIGCHLD, &f);
    if (f.child < 0)
        return die("clone");
    while (__atomic_load_n(&f.listener_fd, __ATOMIC_ACQUIRE) == -2)
        sched_yield();
    serve(&f);
    if (tell(&f) < 0 || waitpid(f.child, &status, 0) < 0)
        return die("the end");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
