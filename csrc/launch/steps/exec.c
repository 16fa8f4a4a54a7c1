/* exec.c: working directory, program, execve.
 * In: process.cwd, candidate paths of the program.  Out: the program running, or a record that
 * says why not. Never: a magic link of /proc on the way to the working directory, the program
 * or its interpreter: through one, an image could execute, and later overwrite, the engine
 * itself (CVE-2019-5736, CVE-2024-21626).  Source: execve(2). */
#include "launch/steps/setup.h"

#include "base/io.h"
#include "base/own.h"
#include "init/interpreter.h"
#include "launch/steps/box.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIGNALS = 32 };

int PRL_CHILD_SAFE prl_exec_chdir(struct prl_setup *s, struct prl_error *reterr)
{
    const char *cwd = s->spec->process.cwd;
    char now[PATH_MAX];
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int fd =
        root < 0 ? -1 : prl_sys_open_in_root(root, cwd, O_PATH | O_DIRECTORY);
    if (fd < 0 || fchdir(fd) < 0)
        return prl_fail(reterr, PRL_STAGE_FDS, "chdir", cwd);
    /* The kernel writes "(unreachable)" before a directory that is not beneath "/". */
    if (syscall(SYS_getcwd, now, sizeof now) < 0 || now[0] != '/')
        return prl_fail_with(reterr, PRL_STAGE_FDS, EXDEV, "getcwd", cwd);
    return 0;
}

/* The kernel looks a relative name up from the working directory. */
static const char *PRL_CHILD_SAFE make_absolute(const char *name, char *buf, size_t size)
{
    long n = name[0] == '/' ? 0 : syscall(SYS_getcwd, buf, size);
    if (n <= 0)
        return name[0] == '/' ? name : NULL;
    size_t used = (size_t)n - 1, len = strlen(name);
    if (used + 1 + len >= size)
        return NULL;
    buf[used] = '/';
    memcpy(buf + used + 1, name, len + 1);
    return buf;
}

/* Regular, executable, reached without magic links; the same for its interpreters. */
static int PRL_CHILD_SAFE check_program(int root, const char *program)
{
    char head[PRL_INTERPRETER_BYTES + 1], absolute[PATH_MAX];
    const char *path = program;
    for (int depth = 0; depth < PRL_INTERPRETER_DEPTH; depth++) {
        struct stat st;
        _cleanup_close_ int fd = prl_sys_open_in_root(root, path, O_PATH);
        if (fd < 0 || fstat(fd, &st) < 0)
            return errno == ELOOP ? EACCES : errno;
        if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
            return EACCES;
        _cleanup_close_ int readable = prl_sys_open_in_root(root, path, O_RDONLY | O_NONBLOCK);
        if (readable < 0)
            return 0; /* executable but not readable: only the kernel sees what it is */
        ssize_t n = read(readable, head, PRL_INTERPRETER_BYTES);
        const char *name = prl_interpreter_of(head, n);
        if (!name)
            return 0;
        path = make_absolute(name, absolute, sizeof absolute);
        if (!path)
            return ENAMETOOLONG;
    }
    return 0;
}

int PRL_CHILD_SAFE prl_exec_resolve(struct prl_setup *s, struct prl_error *reterr)
{
    int worst = ENOENT;
    if (s->barrier_fd >= 0) /* prl_child_go names the program */
        return 0;
    s->program = "";
    if (s->box && s->box->zygote_fd >= 0) /* the zygote brings it */
        return 0;
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "open", "/");
    for (const char **p = s->programs; *p; p++) {
        int why = check_program(root, *p);
        if (why == 0) {
            s->program = *p;
            return 0;
        }
        if (why != ENOENT && why != ENOTDIR)
            worst = why;
    }
    return prl_fail_with(reterr, PRL_STAGE_EXEC, worst, "execve", s->spec->process.args[0]);
}

/* Ignored signals outlive exec, and the caller may ignore some (Python ignores SIGPIPE). */
static void PRL_CHILD_SAFE reset_signals(bool keep_blocked)
{
    sigset_t none;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int sig = 1; sig < SIGNALS; sig++)
        sigaction(sig, &action, NULL); /* SIGKILL and SIGSTOP answer EINVAL */
    if (keep_blocked) /* by the init, which unblocks them for its child: no moment without a
                         handler */
        return;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The start barrier executes the program later, or the init that does.  Its own environment is
 * empty. */
static void PRL_CHILD_SAFE execute_barrier(const struct prl_setup *s)
{
    static const char *const no_env[] = {NULL};
    char numbers[48], init[24];
    const char *args[] = {"barrier", prl_sys_decimal((uint64_t)s->wish_fd, numbers), NULL,
                          NULL};
    if (s->outcome_fd >= 0) { /* "WISH,OUTCOME", as the init takes them */
        size_t len = strlen(numbers);
        numbers[len] = ',';
        prl_sys_decimal((uint64_t)s->outcome_fd, numbers + len + 1);
        fcntl(s->outcome_fd, F_SETFD, 0);
    }
    if (s->init_fd >= 0) {
        args[2] = prl_sys_decimal((uint64_t)s->init_fd, init);
        fcntl(s->init_fd, F_SETFD, 0);
    }
    fcntl(s->wish_fd, F_SETFD, 0); /* the start barrier marks both close-on-exec again */
    syscall(SYS_execveat, s->barrier_fd, "", args, no_env, AT_EMPTY_PATH);
}

int PRL_CHILD_SAFE prl_exec_now(struct prl_setup *s, struct prl_error *reterr)
{
    static const struct prl_error marker;
    const struct prl_process *p = &s->spec->process;
    reset_signals(s->init_fd >= 0);
    int r = prl_io_write_all(s->report_fd, &marker, sizeof marker);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_EXEC, -r, "write", "report");
    if (s->barrier_fd >= 0) {
        execute_barrier(s);
        return prl_fail(reterr, PRL_STAGE_EXEC, "execve", "start barrier");
    }
    if (s->init_fd >= 0) {
        s->init_args[2] = s->program;
        fcntl(s->report_fd, F_SETFD, 0); /* the init reports for its child, then closes it */
        if (s->outcome_fd >= 0)
            fcntl(s->outcome_fd, F_SETFD, 0);
        syscall(SYS_execveat, s->init_fd, "", s->init_args, p->env, AT_EMPTY_PATH);
    } else {
        /* A relative path stays as it was typed: a script finds it in $0. */
        const char *name = strchr(p->args[0], '/') ? p->args[0] : s->program;
        execve(name, (char *const *)p->args, (char *const *)p->env);
    }
    return prl_fail(reterr, PRL_STAGE_EXEC, "execve", s->program);
}
