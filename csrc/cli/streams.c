/* streams.c: which standard streams the container is lent, and which are relayed.
 * In: the launcher's 0, 1, 2.  Out: descriptors for the container, pipes for the monitor.
 * Never: a terminal of the caller inside the container: what it could be made to type would run
 * outside (CVE-2017-5226 and its kin).  Files, pipes and devices that are no terminals are lent
 * as they are. */
#include "cli/streams.h"

#include "base/error.h"
#include "base/own.h"

#include <fcntl.h>
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
    *ret_lent = fd == 0 ? pair[0] : pair[1];
    *relay = fd == 0 ? (struct prl_relay){.from = 0, .to = pair[1]}
                     : (struct prl_relay){.from = pair[0], .to = fd};
    return 0;
}

int prl_streams_open(bool interactive, struct prl_streams *ret, struct prl_error *reterr)
{
    for (int fd = 0; fd < 3; fd++) {
        ret->relays[fd] = (struct prl_relay){.from = -1, .to = -1};
        ret->lent.fds[fd] = -1;
    }
    for (int fd = interactive ? 0 : 1; fd < 3; fd++) {
        if (!isatty(fd)) {
            ret->lent.fds[fd] = fd;
            continue;
        }
        int r = relay_through_pipe(fd, &ret->relays[fd], &ret->lent.fds[fd], reterr);
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

void prl_streams_leave(void)
{
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        if (fd != null)
            dup2(null, fd);
    if (null <= 2)
        (void)steal_fd(&null);
}
