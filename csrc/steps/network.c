/* network.c: loopback up in a new network namespace.
 * In: a spec that made one.  Out: "lo" up.  Never: anything on the host's network.  Source:
 * netdevice(7). */
#include "steps/steps.h"

#include "base/own.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int PRL_CHILD_SAFE prl_network_apply(struct prl_setup *s, struct prl_error *reterr)
{
    if (!(s->spec->namespaces & CLONE_NEWNET))
        return 0;
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    memcpy(request.ifr_name, "lo", 3);
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "socket", "AF_INET");
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "ioctl SIOCSIFFLAGS", "lo");
    return 0;
}
