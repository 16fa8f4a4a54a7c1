/* helper.c: run a program of the distribution and wait for it; see helper.h.
 * In, out: as there.  Never: the caller's descriptors beyond 0, 1, 2 (all others are
 * close-on-exec).  Source: posix_spawn(3). */
#include "base/process/helper.h"
#include "base/own.h"
#include "base/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { STEP_MS = 10 };

#define NS_PER_MS 1000000ULL

/* heard: which of its descriptors 1 and 2 is `writer`; the other one is /dev/null. */
static int spawn(const char *const argv[], int heard, int writer, pid_t *ret)
{
    static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, heard == 1 ? writer : 0, 1);
    posix_spawn_file_actions_adddup2(&actions, heard == 2 ? writer : 0, 2);
    int r = posix_spawn(ret, argv[0], &actions, &attributes, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

/* Milliseconds left, for poll(2). */
static int left_ms(uint64_t deadline_ns)
{
    uint64_t now_ns = prl_sys_now_ns();
    return now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

/* Read to the end, so that the program never waits for a reader; only the beginning is kept. */
static int read_text(int fd, uint64_t deadline_ns, char *buf, size_t size)
{
    char chunk[1024];
    size_t used = 0;
    struct pollfd more = {.fd = fd, .events = POLLIN};
    buf[0] = '\0';
    for (;;) {
        int n = poll(&more, 1, left_ms(deadline_ns));
        if (n == 0)
            return -ETIME;
        ssize_t got = n < 0 ? -1 : read(fd, chunk, sizeof chunk);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            return 0;
        size_t take = got > 0 ? (size_t)got : 0;
        if (take > size - 1 - used)
            take = size - 1 - used;
        memcpy(buf + used, chunk, take);
        used += take;
        buf[used] = '\0';
    }
}

/* -ETIME: it still runs.  Without a pidfd (before 5.3) it is looked for every STEP_MS. */
static int await(pid_t pid, uint64_t deadline_ns, int *ret_status)
{
    _cleanup_close_ int pidfd = prl_sys_pidfd_open(pid);
    struct pollfd gone = {.fd = pidfd, .events = POLLIN};
    for (;;) {
        pid_t got = waitpid(pid, ret_status, WNOHANG);
        if (got != 0)
            return got < 0 ? -errno : 0;
        int wait_ms = left_ms(deadline_ns);
        if (wait_ms == 0)
            return -ETIME;
        poll(&gone, 1, pidfd < 0 && wait_ms > STEP_MS ? STEP_MS : wait_ms);
    }
}

/* It is killed when it does not end in time; we may, because we started it and its real user is
 * ours. */
static int run(const char *const argv[], int heard, char *buf, size_t size, int *ret_status)
{
    uint64_t deadline_ns = prl_sys_now_ns() + PRL_HELPER_SECONDS * 1000 * NS_PER_MS;
    int pair[2];
    pid_t pid;
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    _cleanup_close_ int reader = pair[0], writer = pair[1];
    int r = spawn(argv, heard, writer, &pid);
    if (r < 0)
        return r;
    prl_close_p(&writer);
    r = read_text(reader, deadline_ns, buf, size);
    if (r == 0)
        r = await(pid, deadline_ns, ret_status);
    if (r < 0 && r != -ECHILD) {
        kill(pid, SIGKILL);
        prl_sys_reap(pid, ret_status);
    }
    return r;
}

int prl_helper_run(const char *const argv[], struct prl_helper_result *ret)
{
    int status = 0;
    ret->complaint[0] = '\0';
    int r = run(argv, 2, ret->complaint, sizeof ret->complaint, &status);
    ret->complaint[strcspn(ret->complaint, "\n")] = '\0';
    ret->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return r;
}

int prl_helper_read(const char *const argv[], char *buf, size_t size)
{
    int status = 0;
    int r = run(argv, 1, buf, size, &status);
    return r == 0 && status != 0 ? -EIO : r;
}

/* Without a pidfd it is polled. FALLBACK: remove when kernel >= 5.3 is required. */
static bool ends_by_itself(pid_t pid)
{
    _cleanup_close_ int pidfd = prl_sys_pidfd_open(pid);
    int left_ms = HELPER_PATIENCE_MS;
    while (left_ms > 0) {
        struct pollfd fd = {.fd = pidfd, .events = POLLIN};
        int step_ms = pidfd < 0 ? STEP_MS : left_ms;
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid)
            return true;
        poll(&fd, 1, step_ms);
        left_ms -= step_ms;
    }
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

void prl_helper_end(pid_t pid)
{
    if (!ends_by_itself(pid))
        kill(pid, SIGKILL);
    prl_sys_reap(pid, NULL);
}

const char *prl_helper_last_line(char *text)
{
    for (;;) {
        size_t len = strlen(text);
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
            text[--len] = '\0';
        char *end = strrchr(text, '\n');
        const char *line = end ? end + 1 : text;
        if (!end || strncmp(line, "WARNING", 7) != 0)
            return line;
        *end = '\0';
    }
}

const char *prl_helper_find(const char *name, char *buf)
{
    static const char *const directories[] = {"/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin",
                                              "/sbin"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        snprintf(buf, 64, "%s/%s", directories[i], name);
        if (access(buf, X_OK) == 0)
            return buf;
    }
    return NULL;
}
