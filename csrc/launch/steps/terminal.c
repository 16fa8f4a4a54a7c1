/* terminal.c: standard streams and the container's own pty.
 * In: three descriptors, or a request for a terminal.  Out: 0, 1, 2 in a new session; the pty's
 * master on its way to the parent. Never: a terminal of the host inside the container; a pty
 * that is not of the container's own devpts (CVE-2025-52565). Source: pts(4), ioctl_tty(2),
 * unix(7). */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/filesystem/exports.h"
#include "launch/steps/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

enum { DEVPTS_MAGIC = 0x1cd1 };

/* In a container that is joined the path may lead to anything by now. */
static bool PRL_CHILD_SAFE is_ptmx(int fd)
{
    struct stat st;
    struct statfs fs;
    if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&
        fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_MAGIC)
        return true;
    errno = ENOTTY;
    return false;
}

/* A fresh pair on the container's devpts; the peer is asked from the master, not looked up by
 * name. */
static int PRL_CHILD_SAFE open_pair(const struct prl_setup *s, int *ret_master)
{
    int unlock = 0;
    const struct prl_process *p = &s->spec->process;
    const struct winsize size = {.ws_row = p->console_rows, .ws_col = p->console_columns};
    _cleanup_close_ int master =
        prl_sys_open_in_root_nofollow(s->root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0 || !is_ptmx(master) || ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return -1;
    if (size.ws_row && ioctl(master, TIOCSWINSZ, &size) < 0)
        return -1;
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return -1;
    /* docker's: it is its user's, who can open it by its name then.  A claimed user is for the
     * kernel who made it. */
    if (p->uid != 0 && !s->fake_ids && fchown(slave, p->uid, (gid_t)-1) < 0) {
        close(slave);
        return -1;
    }
    *ret_master = steal_fd(&master);
    return slave;
}

/* /dev/console of a new container; one that is joined keeps its first program's. */
static int PRL_CHILD_SAFE place_console(const struct prl_setup *s, int slave,
                                        struct prl_error *reterr)
{
    static const struct prl_place_attr attr = {.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};
    if (s->target)
        return 0;
    _cleanup_close_ int console = prl_place_target(s->root_fd, "/dev/console", false, true);
    if (console < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "open", "/dev/console");
    if (prl_place_bind(slave, NULL, false, &attr, console) < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "bind", "/dev/console");
    return 0;
}

int PRL_CHILD_SAFE prl_terminal_apply(struct prl_setup *s, struct prl_error *reterr)
{
    if (!s->spec->process.terminal)
        return 0;
    _cleanup_close_ int master = -1;
    int slave = open_pair(s, &master);
    if (slave < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "open", "/dev/pts/ptmx");
    int r = place_console(s, slave, reterr);
    if (r < 0)
        return r;
    if (prl_handover_send(s->service_fd, PRL_HANDOVER_TERMINAL, master, s->served) < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "sendmsg", "pty master");
    for (int i = 0; i < 3; i++)
        s->stdio[i] = slave;
    return 0;
}

/* The container's null device, or the host's: an image's "/dev/null" that is a file or a link
 * is neither. */
static int PRL_CHILD_SAFE open_null(const struct prl_setup *s)
{
    char host[32];
    struct stat st;
    _cleanup_close_ int fd =
        prl_sys_open_in_root_nofollow(s->root_fd, "/dev/null", O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
        return steal_fd(&fd);
    return open(prl_sys_fd_path(s->null_fd, host), O_RDWR | O_CLOEXEC);
}

/* Bring each source above 2, so that no dup2 overwrites another's source. */
static int PRL_CHILD_SAFE lift(const struct prl_setup *s, int sources[3])
{
    for (int i = 0; i < 3; i++) {
        sources[i] = s->stdio[i] >= 0 ? s->stdio[i] : open_null(s);
        if (sources[i] >= 0 && sources[i] < 3 && sources[i] != i)
            sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, 10);
        if (sources[i] < 0)
            return -1;
    }
    return 0;
}

int PRL_CHILD_SAFE prl_stdio_apply(struct prl_setup *s, struct prl_error *reterr)
{
    int sources[3];
    if (lift(s, sources) < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "open", "standard streams");
    for (int i = 0; i < 3; i++) {
        int r = sources[i] == i ? fcntl(i, F_SETFD, 0) : dup2(sources[i], i);
        if (r < 0)
            return prl_fail(reterr, PRL_STAGE_TERMINAL, "dup2", "standard streams");
    }
    /* A session of its own: no controlling terminal of the caller's, so nothing to push input
     * into. */
    if (setsid() < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "setsid", "");
    if (s->spec->process.terminal && ioctl(0, TIOCSCTTY, 0) < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "ioctl TIOCSCTTY", "pty");
    return 0;
}
