// sources: csrc/base/**/*.c csrc/launch/steps/handover.c
/* test_handover.c: descriptors that a launch hands over where this user has too many in flight.
 * In: socket pairs that hold descriptors, limits of open files.  Out: what arrives.  Never: a
 * limit of the test's own process changed. */
#include "base/own.h"
#include "base/process/pass.h"
#include "base/sys.h"
#include "launch/steps/handover.h"

#include "check.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FEW = 40, EACH = PRL_PASS_FDS, MESSAGES = 2 * FEW / EACH };

/* More than FEW are in flight as long as these are open. */
static int fill(int pair[2])
{
    int fds[EACH];
    const struct iovec byte = {(char[]){0}, 1};
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    for (int i = 0; i < EACH; i++)
        fds[i] = 0;
    for (int i = 0; i < MESSAGES; i++)
        if (prl_pass_send(pair[0], &byte, 1, fds, EACH) < 0)
            return -1;
    return 0;
}

/* A process with these limits hands over /dev/null; 0, or errno.  The machine's own root has no
 * such limit; that of a namespace has. */
static pid_t child(int socket_fd, rlim_t soft, rlim_t hard, bool wait)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct rlimit limit = {soft, hard}, after;
    int fd = open("/dev/null", O_PATH | O_CLOEXEC);
    if (geteuid() == 0 && unshare(CLONE_NEWUSER) < 0)
        _exit(3);
    if (fd < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
        _exit(1);
    int r = prl_handover_send(socket_fd, PRL_HANDOVER_SCRATCH, fd, wait), why = errno;
    if (getrlimit(RLIMIT_NOFILE, &after) < 0 || after.rlim_cur != soft)
        _exit(2);
    _exit(r < 0 ? why : 0);
}

static int status_of(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_null(int fd)
{
    struct stat got, wanted;
    return fstat(fd, &got) == 0 && stat("/dev/null", &wanted) == 0 &&
           got.st_rdev == wanted.st_rdev && fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

struct result {
    int status, kind, received;
    bool right;
};

/* One hand-over by a process with these limits, as its parent receives it. */
static struct result hand_over(rlim_t soft, rlim_t hard, bool wait)
{
    int flight[2], pair[2];
    char kind = 0;
    struct result result = {.status = -1};
    if (fill(flight) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return result;
    pid_t pid = child(pair[1], soft, hard, wait);
    _cleanup_close_ int pidfd = prl_sys_pidfd_open(pid), fd = -1;
    prl_close_p(&pair[1]);
    result.received = prl_handover_receive(pair[0], pidfd, &kind, &fd);
    result.right = is_null(fd);
    if (wait && result.received == 1)
        prl_handover_answer(pair[0]);
    prl_close_p(&pair[0]);
    result.status = status_of(pid);
    result.kind = kind;
    prl_close_p(&flight[0]);
    prl_close_p(&flight[1]);
    return result;
}

TEST(a_low_soft_limit_is_raised_for_it)
{
    struct result result = hand_over(FEW, 4096, false);
    CHECK_INT(result.status, 0);
    CHECK_INT(result.received, 1);
    CHECK_INT(result.kind, PRL_HANDOVER_SCRATCH);
    CHECK(result.right);
}

TEST(where_nobody_answers_it_is_an_error)
{
    struct result result = hand_over(FEW, FEW, false);
    CHECK_INT(result.status, ETOOMANYREFS);
    CHECK_INT(result.received, 0);
}

TEST(who_answers_fetches_it)
{
    struct result result = hand_over(FEW, FEW, true);
    CHECK_INT(result.status, 0);
    CHECK_INT(result.received, 1);
    CHECK_INT(result.kind, PRL_HANDOVER_SCRATCH);
    CHECK(result.right);
}
