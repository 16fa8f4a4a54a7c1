/* streams.c: which standard streams the container is lent, and which are relayed.
 * In: the launcher's 0, 1, 2.  Out: descriptors for the container, pipes for the monitor.
 * Never: a terminal of the caller inside the container: what it could be made to type would run
 * outside (CVE-2017-5226 and its kin); a change to a file or pipe of the caller's.
 *
 * Files, pipes and devices that are no terminals are lent as they are.  A program of another
 * user than the caller could not open them anew by /dev/stdout, where services log to: it gets
 * pipes of ours, which anybody who can reach them may open. */
#include "cli/streams.h"

#include "base/error.h"
#include "base/own.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Otherwise a file that the engine opens could become 0, 1 or 2, and be given to the container
 * as if the caller had meant it. */
int prl_streams_fill(struct prl_error *reterr)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return prl_fail(reterr, PRL_STAGE_TERMINAL, "open", "/dev/null");
    return 0;
}

/* A pipe between fd and the container; *ret_lent is the container's end. */
static int relay_through_pipe(int fd, struct prl_relay *relay, int *ret_lent,
                              struct prl_error *reterr)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_TERMINAL, "pipe2", "standard streams");
    (void)fchmod(pair[0], PRL_PIPE_MODE); /* refused: it can be written all the same */
    *ret_lent = fd == 0 ? pair[0] : pair[1];
    *relay = fd == 0 ? (struct prl_relay){.from = 0, .to = pair[1]}
                     : (struct prl_relay){.from = pair[0], .to = fd};
    return 0;
}

/* The program's user is not the caller: it may not open anew what belongs to the caller. */
static bool is_anothers(const struct prl_spec *spec)
{
    uint32_t uid = spec->process.uid;
    for (size_t i = 0; i < spec->uid_maps_len; i++) {
        const struct prl_idmap *row = &spec->uid_maps[i];
        if (uid >= row->container_id && uid - row->container_id < row->size)
            return row->host_id + (uid - row->container_id) != geteuid();
    }
    return false; /* a claimed one is the caller for the kernel */
}

/* /dev/null and the like can be opened by anybody. */
static bool is_shut(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && !(st.st_mode & S_IWOTH);
}

/* Standard error is standard output, as after "2>&1": one pipe for both keeps their order. */
static int follow_output(struct prl_streams *ret, struct prl_error *reterr)
{
    struct stat out, err;
    if (ret->relays[1].to < 0 || fstat(1, &out) < 0 || fstat(2, &err) < 0 ||
        out.st_dev != err.st_dev || out.st_ino != err.st_ino)
        return 0;
    ret->lent.fds[2] = fcntl(ret->lent.fds[1], F_DUPFD_CLOEXEC, 3);
    return ret->lent.fds[2] < 0
               ? prl_fail(reterr, PRL_STAGE_TERMINAL, "fcntl", "standard streams")
               : 1;
}

static int open_stream(int fd, bool relayed, struct prl_streams *ret, struct prl_error *reterr)
{
    bool terminal = isatty(fd);
    if (!terminal && !(relayed && fd > 0 && is_shut(fd))) {
        ret->lent.fds[fd] = fd;
        return 0;
    }
    int r = fd == 2 && !terminal ? follow_output(ret, reterr) : 0;
    return r == 0 ? relay_through_pipe(fd, &ret->relays[fd], &ret->lent.fds[fd], reterr) : r;
}

int prl_streams_open(const struct prl_spec *spec, const bool apart[3], struct prl_streams *ret,
                     struct prl_error *reterr)
{
    bool relayed = is_anothers(spec);
    for (int fd = 0; fd < 3; fd++) {
        ret->relays[fd] = (struct prl_relay){.from = -1, .to = -1};
        ret->lent.fds[fd] = -1;
    }
    for (int fd = 0; fd < 3; fd++) {
        int r = apart[fd] ? 0 : open_stream(fd, relayed, ret, reterr);
        if (r < 0) {
            prl_streams_close(ret);
            return r;
        }
    }
    return 0;
}

void prl_streams_lent(struct prl_streams *streams)
{
    for (int fd = 0; fd < 3; fd++) {
        if (streams->lent.fds[fd] > 2)
            prl_close_p(&streams->lent.fds[fd]);
    }
}

void prl_streams_close(struct prl_streams *streams)
{
    prl_streams_lent(streams);
    if (streams->relays[0].to > 2)
        prl_close_p(&streams->relays[0].to);
    for (int fd = 1; fd < 3; fd++)
        if (streams->relays[fd].from > 2)
            prl_close_p(&streams->relays[fd].from);
}

int prl_streams_take(bool interactive, struct prl_stdio *ret, struct prl_error *reterr)
{
    for (int fd = interactive ? 0 : 1; fd < 3; fd++) {
        if (isatty(fd))
            return prl_fail_with(reterr, PRL_STAGE_OPTIONS, EINVAL, "--log-driver",
                                 "passthrough gives the container this command's own streams, "
                                 "and one of them is a terminal: send it to a file or a pipe");
        ret->fds[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (ret->fds[fd] < 0)
            return prl_fail(reterr, PRL_STAGE_TERMINAL, "fcntl", "standard streams");
    }
    return 0;
}

void prl_streams_leave(void)
{
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        if (fd != null)
            dup2(null, fd);
    if (null <= 2)
        (void)steal_fd(&null);
}
