/* deny.c: run a program whose kernel lacks some system calls, or fails one.
 * In: deny CALL[,CALL…] -- PROGRAM [ARGUMENT…]   these answer ENOSYS, as an older kernel does
 *     deny --fail CALL  -- PROGRAM [ARGUMENT…]   this one answers EIO, whenever it is made
 *     deny --lie CALL   -- PROGRAM [ARGUMENT…]   this one says that it did, and did nothing
 *     deny --userns EPERM|ENOSPC -- PROGRAM [ARGUMENT…]   new user namespaces are refused so
 *     deny --option NUMBER -- PROGRAM [ARGUMENT…]   getsockopt(2) does not know this option
 * Out: the program's own exit status; 120 when the filter could not be made.
 * Never: a library; calls of another architecture pass (nothing here makes any).
 *
 * A filter is inherited by children and kept over exec, so it covers the whole launch: the
 * launcher, its child, and the program in the container.  It needs no_new_privs.
 * Source: Documentation/userspace-api/seccomp_filter.rst of Linux. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXIT_DENY = 120, MAX_CALLS = 64 };

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
    {"capset", SYS_capset},
    {"chdir", SYS_chdir},
    {"chroot", SYS_chroot},
    {"clone3", SYS_clone3},
    {"close_range", SYS_close_range},
    {"execve", SYS_execve},
    {"faccessat2", SYS_faccessat2},
    {"fchmodat", SYS_fchmodat},
    {"fsconfig", SYS_fsconfig},
    {"fsetxattr", SYS_fsetxattr},
    {"fsmount", SYS_fsmount},
    {"fsopen", SYS_fsopen},
    {"getsockopt", SYS_getsockopt},
    {"keyctl", SYS_keyctl},
    {"landlock_add_rule", SYS_landlock_add_rule},
    {"landlock_create_ruleset", SYS_landlock_create_ruleset},
    {"landlock_restrict_self", SYS_landlock_restrict_self},
    {"mkdirat", SYS_mkdirat},
    {"mknodat", SYS_mknodat},
    {"perf_event_open", SYS_perf_event_open},
    {"mount", SYS_mount},
    {"mount_setattr", SYS_mount_setattr},
    {"move_mount", SYS_move_mount},
    {"open_tree", SYS_open_tree},
    {"openat2", SYS_openat2},
    {"pidfd_open", SYS_pidfd_open},
    {"pipe2", SYS_pipe2},
    {"pivot_root", SYS_pivot_root},
    {"prctl", SYS_prctl},
    {"prlimit64", SYS_prlimit64},
    {"renameat", SYS_renameat},
    {"sched_setaffinity", SYS_sched_setaffinity},
    {"seccomp", SYS_seccomp},
    {"sendfile", SYS_sendfile},
    {"sethostname", SYS_sethostname},
    {"setns", SYS_setns},
    {"futex", SYS_futex},
    {"setsid", SYS_setsid},
    {"signalfd4", SYS_signalfd4},
    {"socket", SYS_socket},
    {"symlinkat", SYS_symlinkat},
    {"umask", SYS_umask},
    {"umount2", SYS_umount2},
    {"unshare", SYS_unshare},
    {"waitid", SYS_waitid},
};

static int die(const char *what, const char *subject)
{
    fprintf(stderr, "deny: %s %s: %s\n", what, subject, strerror(errno));
    return EXIT_DENY;
}

/* The number of the named call, or -1. */
static long number_of(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, name) == 0)
            return (long)calls[i].number;
    errno = EINVAL;
    return -1;
}

/* Two instructions for each call: equal → answer. */
static int build(char *names, unsigned answer, struct sock_filter *ret_code, size_t *ret_len)
{
    size_t len = 0, count = 0;
    ret_code[len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                   offsetof(struct seccomp_data, nr));
    for (char *rest = NULL, *name = strtok_r(names, ",", &rest); name;
         name = strtok_r(NULL, ",", &rest)) {
        long number = number_of(name);
        if (number < 0 || ++count > MAX_CALLS)
            return die("unknown call", name);
        ret_code[len++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1);
        ret_code[len++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer);
    }
    ret_code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    *ret_len = len;
    return 0;
}

/* As filters of other engines do: clone(2) and unshare(2) by their flags, clone3(2), whose
 * flags no filter sees, as if it were not there. */
static size_t build_userns(unsigned answer, struct sock_filter *ret_code)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 2),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    memcpy(ret_code, code, sizeof code);
    return sizeof code / sizeof *code;
}

static size_t build_option(unsigned option, struct sock_filter *ret_code)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, option, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    memcpy(ret_code, code, sizeof code);
    return sizeof code / sizeof *code;
}

/* prctl(2) and not seccomp(2): glibc and musl both have it, and one call less is made. */
static int install(struct sock_filter *code, size_t len)
{
    struct sock_fprog program = {.len = (unsigned short)len, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return die("prctl", "no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return die("prctl", "seccomp");
    return 0;
}

int main(int argc, char **argv)
{
    struct sock_filter code[2 * MAX_CALLS + 2];
    size_t len = 0;
    int at = 1;
    unsigned answer = ENOSYS;
    bool userns = argc > at && strcmp(argv[at], "--userns") == 0;
    bool option = argc > at && strcmp(argv[at], "--option") == 0;
    bool lie = argc > at && strcmp(argv[at], "--lie") == 0;
    if (userns || option || lie || (argc > at && strcmp(argv[at], "--fail") == 0)) {
        answer = lie ? 0 : EIO;
        at++;
    }
    if (argc < at + 3 || strcmp(argv[at + 1], "--") != 0) {
        errno = EINVAL;
        return die("usage", "deny [--fail|--lie] CALL[,CALL] -- PROGRAM [ARGUMENT]");
    }
    int r = 0;
    if (userns)
        len = build_userns(strcmp(argv[at], "ENOSPC") == 0 ? ENOSPC : EPERM, code);
    else if (option)
        len = build_option((unsigned)atoi(argv[at]), code);
    else
        r = build(argv[at], answer, code, &len);
    if (r != 0)
        return r;
    r = install(code, len);
    if (r != 0)
        return r;
    execv(argv[at + 2], argv + at + 2);
    return die("execute", argv[at + 2]);
}
