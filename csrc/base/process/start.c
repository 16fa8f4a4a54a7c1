/* start.c: start a lasting program of the distribution; see helper.h.
 * In, out: as there.  Never: a copy of the caller's memory (it is shared until the exec); a
 * program that outlives the thread that started it.  Source: prctl(2), PR_SET_PDEATHSIG. */
#include "base/own.h"
#include "base/process/helper.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { STACK_BYTES = 64 * 1024, FDS = 6, OUT_OF_THE_WAY = 16 };

struct start {
    const struct prl_helper_start *how;
    int null_fd;
    pid_t parent;
    int errnum; /* why it was never executed; 0: it was */
};

static int PRL_CHILD_SAFE arrange_descriptors(const struct start *start)
{
    int above[FDS];
    for (int i = 0; i < FDS; i++) {
        int fd = start->how->fds[i];
        above[i] = fcntl(fd < 0 ? start->null_fd : fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
        if (above[i] < 0)
            return -1;
    }
    for (int i = 0; i < FDS; i++)
        if (dup2(above[i], i) < 0)
            return -1;
    return prl_sys_close_range(FDS, UINT_MAX);
}

/* Raw calls: this process shares the memory of a program that may have threads. */
static int PRL_CHILD_SAFE start_main(void *data)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                              NULL};
    struct start *start = data;
    sigset_t none;
    sigemptyset(&none);
    umask(0);                 /* a socket made under another id must be open to us */
    signal(SIGPIPE, SIG_IGN); /* nobody reads its complaints once it is ready */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == start->parent &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_setsid) >= 0 &&
        chdir("/") == 0 && arrange_descriptors(start) == 0) {
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(start->how->argv[0], (char *const *)start->how->argv,
               (char *const *)environment);
    }
    start->errnum = errno ? errno : ESRCH;
    return 127;
}

int prl_helper_start(const struct prl_helper_start *how, pid_t *ret)
{
    _cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return -errno;
    struct start start = {.how = how, .null_fd = null_fd, .parent = getpid()};
    pid_t pid = prl_sys_clone_shared(STACK_BYTES, start_main, &start);
    int r = pid < 0 ? -errno : -start.errnum;
    if (pid > 0 && r < 0)
        prl_helper_end(pid);
    else if (pid > 0)
        *ret = pid;
    return r;
}
