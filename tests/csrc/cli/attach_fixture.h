/* attach_fixture.h: a user at a pty, a front, a monitor, and an ordinary child in the
 * container's place. In: what the child does.  Out: what the user sees, how it ended, reports.
 * Never: a clock that decides; alarm(2) only ends a test that hangs. */
#pragma once

#include "cli/attach/session.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
    GUARD_SECONDS = 30,
    DETACHED_CODE = 101,
    FAILED_CODE = 102,
    REPORT_BYTES = 512,
    LINES = 400
};

struct scene {
    void (*body)(struct scene *); /* in the container's place */
    struct prl_attach_options options;
    bool fails; /* start fails */
    int user;   /* the user's end of the terminal */
    int gate[2], report[2];
    pid_t front;
    struct termios before;
    int held; /* the user's terminal, so that it can be looked at afterwards */
    char *seen;
    size_t seen_len;
};

static inline void report(const struct scene *scene, const char *format, ...)
{
    char line[REPORT_BYTES] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    (void)!write(scene->report[1], line, sizeof line);
}

/* The next report; they are fixed-size records, so none is mixed with another. */
static inline const char *next_report(const struct scene *scene)
{
    static char line[REPORT_BYTES];
    return read(scene->report[0], line, sizeof line) == (ssize_t)sizeof line ? line : "(none)";
}

static inline void await_gate(const struct scene *scene)
{
    char byte;
    (void)!read(scene->gate[0], &byte, 1);
}

static inline int open_terminal(int *ret_slave)
{
    int unlocked = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    ioctl(master, TIOCSPTLCK, &unlocked);
    *ret_slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return master;
}

static inline void take_terminal(int slave)
{
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; fd++)
        dup2(slave, fd);
}

static inline int scene_start(void *data, const struct prl_stdio *stdio, struct prl_child *ret,
                              struct prl_error *reterr)
{
    struct scene *scene = data;
    int slave;
    (void)stdio;
    if (scene->fails) {
        (void)reterr;
        *reterr = (struct prl_error){.errnum = ENOENT,
                                     .stage = PRL_STAGE_EXEC,
                                     .syscall = "execve",
                                     .subject = "/no/such/program"};
        return -ENOENT;
    }
    *ret = (struct prl_child){.pidfd = -1, .start_ns = prl_sys_now_ns()};
    ret->terminal_fd = open_terminal(&slave);
    ret->pid = fork();
    if (ret->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(scene->gate[1]);
        take_terminal(slave);
        scene->body(scene);
        _exit(0);
    }
    ret->pidfd = prl_sys_pidfd_open(ret->pid);
    close(slave);
    return 0;
}

static inline int scene_finish(void *data, const struct prl_status *status,
                               struct prl_error *reterr)
{
    (void)reterr;
    if (status)
        report(data, "finish %d %d %d", (int)status->ended_by, status->exit_code,
               status->signal);
    else
        report(data, "finish none");
    return 0;
}

/* What a launcher would do with the result. */
static inline void front_main(struct scene *scene)
{
    struct prl_status status = {0};
    struct prl_error error = {0};
    scene->options.terminal = true;
    int r = prl_attach_run(&scene->options, scene_start, scene, &status, &error);
    if (r < 0)
        report(scene, "error %d %d %s %s", r, (int)error.stage, error.syscall, error.subject);
    _exit(r == PRL_ATTACH_DETACHED ? DETACHED_CODE
          : r < 0                  ? FAILED_CODE
                                   : prl_status_exit_code(&status));
}

static inline void open_scene(struct scene *scene)
{
    alarm(GUARD_SECONDS);
    (void)!pipe2(scene->gate, O_CLOEXEC);
    (void)!pipe2(scene->report, O_CLOEXEC);
    scene->user = open_terminal(&scene->held);
    tcgetattr(scene->held, &scene->before);
    scene->options.finish = scene_finish;
    scene->seen = calloc(1, 1);
    fflush(stdout);
    scene->front = fork();
    if (scene->front == 0) {
        alarm(0);
        close(scene->user);
        take_terminal(scene->held);
        front_main(scene);
    }
}

static inline void close_scene(struct scene *scene)
{
    for (int i = 0; i < 2; i++) {
        close(scene->gate[i]);
        close(scene->report[i]);
    }
    close(scene->user);
    close(scene->held);
    free(scene->seen);
    alarm(0);
}

/* Read the user's screen until it shows text. */
static inline void see(struct scene *scene, const char *text)
{
    while (!strstr(scene->seen, text)) {
        char buffer[4096];
        ssize_t n = read(scene->user, buffer, sizeof buffer);
        if (n <= 0)
            return;
        scene->seen = realloc(scene->seen, scene->seen_len + (size_t)n + 1);
        memcpy(scene->seen + scene->seen_len, buffer, (size_t)n);
        scene->seen_len += (size_t)n;
        scene->seen[scene->seen_len] = '\0';
    }
}

static inline void type(const struct scene *scene, const char *text)
{
    (void)!write(scene->user, text, strlen(text));
}

static inline int end_of_front(const struct scene *scene)
{
    int status = 0;
    waitpid(scene->front, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline bool terminal_is_as_before(const struct scene *scene)
{
    struct termios now;
    return tcgetattr(scene->held, &now) == 0 && now.c_lflag == scene->before.c_lflag &&
           now.c_iflag == scene->before.c_iflag && now.c_oflag == scene->before.c_oflag &&
           now.c_cflag == scene->before.c_cflag;
}

static inline bool terminal_is_raw(const struct scene *scene)
{
    struct termios now;
    return tcgetattr(scene->held, &now) == 0 && !(now.c_lflag & (ICANON | ECHO | ISIG));
}
