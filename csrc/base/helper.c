/* helper.c: run a program of the distribution and wait for it; see helper.h.
 * In, out: as there.  Never: the caller's descriptors beyond 0, 1, 2 (all others are
 * close-on-exec).  Source: posix_spawn(3). */
#include "base/helper.h"
#include "base/own.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static int spawn(const char *const argv[], int stderr_fd, pid_t *ret)
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
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, stderr_fd, 2);
    int r = posix_spawn(ret, argv[0], &actions, &attributes, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

/* To the end, so that the program never waits for a reader; the first line is kept. */
static void read_complaint(int fd, char *buf, size_t size)
{
    char chunk[256];
    size_t used = 0;
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR)) {
        size_t take = n > 0 ? (size_t)n : 0;
        if (take > size - 1 - used)
            take = size - 1 - used;
        memcpy(buf + used, chunk, take);
        used += take;
    }
    buf[used] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
}

int prl_helper_run(const char *const argv[], struct prl_helper_result *ret)
{
    int pair[2], status = 0;
    pid_t pid;
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    _cleanup_close_ int reader = pair[0], writer = pair[1];
    int r = spawn(argv, writer, &pid);
    if (r < 0)
        return r;
    prl_close_p(&writer);
    read_complaint(reader, ret->complaint, sizeof ret->complaint);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    ret->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
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
