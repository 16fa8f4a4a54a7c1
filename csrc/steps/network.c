/* network.c: loopback up in a new network namespace, and its connection with the host's.
 * In: a spec that made one.  Out: "lo" up; the parent's helper at work on the namespace
 * (serve_network.c).  Never: anything on the host's network; a program that starts before its
 * network is there.  Source: netdevice(7). */
#include "steps/steps.h"

#include "base/handover.h"
#include "base/own.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int PRL_CHILD_SAFE raise_loopback(struct prl_error *reterr)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    memcpy(request.ifr_name, "lo", 3);
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "socket", "AF_INET");
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "ioctl SIOCSIFFLAGS", "lo");
    return 0;
}

/* The descriptor and not our pid: with some maps of ids the parent may not look into our /proc
 * directory. */
static int PRL_CHILD_SAFE connect_namespace(struct prl_setup *s, struct prl_error *reterr)
{
    _cleanup_close_ int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "open", "/proc/self/ns/net");
    if (prl_handover_send(s->service_fd, PRL_HANDOVER_NETWORK, fd, true) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "recv", "network helper");
    return 0;
}

int PRL_CHILD_SAFE prl_network_apply(struct prl_setup *s, struct prl_error *reterr)
{
    if (!(s->spec->namespaces & CLONE_NEWNET))
        return 0;
    int r = raise_loopback(reterr);
    if (r < 0 || s->spec->network.helper == PRL_NETWORK_ALONE)
        return r;
    return connect_namespace(s, reterr);
}
