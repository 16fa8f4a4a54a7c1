/* network.c: the connection of a new network namespace with the host's.
 * In: a spec that made one (netns.c).  Out: the parent's helper at work on the namespace
 * (launch/serve/network.c), or, except for pasta, on the other side of an interface that is
 * made here. Never: anything on the host's network; a program that starts before its network is
 * there.  Source: netdevice(7), rtnetlink(7), tun.rst of the kernel. */
#include "launch/steps/setup.h"

#include "base/own.h"
#include "launch/steps/handover.h"
#include "network/exports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TAP "tap0"

enum {
    EGRESS_MTU = 65520,
    PREFIX6 = 64,
    ADDRESS_NODAD = 0x02,
    ANSWER_BYTES = 512,
    REFUSAL_SECONDS = 10
};

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

/* --- an interface of our own: for slirp4netns, or for an egress filter --- */

static int PRL_CHILD_SAFE ask(int fd, unsigned long request, const char *name,
                              struct ifreq *what, struct prl_error *reterr)
{
    memcpy(what->ifr_name, TAP, sizeof TAP);
    return ioctl(fd, request, what) < 0 ? prl_fail(reterr, PRL_STAGE_NETWORK, name, TAP) : 0;
}

static int PRL_CHILD_SAFE set_address(int fd, unsigned long request, const char *name,
                                      const char *address, struct prl_error *reterr)
{
    struct ifreq what = {0};
    struct sockaddr_in value = {.sin_family = AF_INET};
    inet_pton(AF_INET, address, &value.sin_addr);
    memcpy(&what.ifr_addr, &value, sizeof value);
    return ask(fd, request, name, &what, reterr);
}

static int PRL_CHILD_SAFE set_link(int fd, const struct prl_network *network,
                                   struct prl_error *reterr)
{
    struct ifreq mtu = {.ifr_mtu = network->mtu ? (int)network->mtu : EGRESS_MTU};
    struct ifreq mac = {.ifr_hwaddr = {.sa_family = ARPHRD_ETHER}};
    struct ifreq up = {.ifr_flags = IFF_UP | IFF_RUNNING};
    int r = ask(fd, SIOCSIFMTU, "ioctl SIOCSIFMTU", &mtu, reterr);
    if (r == 0 && network->mac) {
        for (int i = 0; i < 6; i++)
            mac.ifr_hwaddr.sa_data[i] =
                (char)strtoul(network->mac + 3 * i, NULL, 16); /* the spec has checked it */
        r = ask(fd, SIOCSIFHWADDR, "ioctl SIOCSIFHWADDR", &mac, reterr);
    }
    return r < 0 ? r : ask(fd, SIOCSIFFLAGS, "ioctl SIOCSIFFLAGS", &up, reterr);
}

static int PRL_CHILD_SAFE set_ipv4(int fd, struct prl_error *reterr)
{
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    struct sockaddr_in router = {.sin_family = AF_INET}, any = {.sin_family = AF_INET};
    inet_pton(AF_INET, PRL_EGRESS_ROUTER, &router.sin_addr);
    memcpy(&route.rt_gateway, &router, sizeof router);
    memcpy(&route.rt_dst, &any, sizeof any);
    memcpy(&route.rt_genmask, &any, sizeof any);
    int r = set_address(fd, SIOCSIFADDR, "ioctl SIOCSIFADDR", PRL_EGRESS_GUEST, reterr);
    if (r == 0)
        r = set_address(fd, SIOCSIFNETMASK, "ioctl SIOCSIFNETMASK", "255.255.255.0", reterr);
    if (r == 0 && ioctl(fd, SIOCADDRT, &route) < 0)
        r = prl_fail(reterr, PRL_STAGE_NETWORK, "ioctl SIOCADDRT", PRL_EGRESS_ROUTER);
    return r;
}

/* By netlink: only there an address can be had that is valid at once, which is not first looked
 * for on the wire for a second. */
static int PRL_CHILD_SAFE add_ipv6_address(const char *address, unsigned interface)
{
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg message;
        struct rtattr attribute;
        unsigned char address[16];
    } question = {
        .head = {.nlmsg_len = sizeof question,
                 .nlmsg_type = RTM_NEWADDR,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
        .message = {.ifa_family = AF_INET6,
                    .ifa_prefixlen = PREFIX6,
                    .ifa_flags = ADDRESS_NODAD,
                    .ifa_index = interface},
        .attribute = {.rta_len = RTA_LENGTH(16), .rta_type = IFA_LOCAL},
    };
    union {
        struct nlmsghdr head;
        char room[ANSWER_BYTES];
    } answer;
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    inet_pton(AF_INET6, address, question.address);
    if (fd < 0 || send(fd, &question, sizeof question, 0) < 0)
        return -1;
    if (recv(fd, &answer, sizeof answer, 0) < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return -1;
    errno = -((struct nlmsgerr *)NLMSG_DATA(&answer.head))->error;
    return errno ? -1 : 0;
}

/* A kernel without IPv6 has none inside either. */
static int PRL_CHILD_SAFE set_ipv6(const struct prl_network *network, unsigned interface,
                                   struct prl_error *reterr)
{
    bool pasta = network->helper == PRL_NETWORK_PASTA;
    const char *router = pasta ? PRL_PASTA_ROUTER6 : PRL_SLIRP_ROUTER6;
    struct in6_rtmsg route = {.rtmsg_metric = 1,
                              .rtmsg_flags = RTF_UP | RTF_GATEWAY,
                              .rtmsg_ifindex = (int)interface};
    _cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT)
        return 0;
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "socket", "AF_INET6");
    if (add_ipv6_address(pasta ? PRL_PASTA_GUEST6 : PRL_SLIRP_GUEST6, interface) < 0)
        return errno == EACCES /* net.ipv6.conf.*.disable_ipv6 */
                   ? 0
                   : prl_fail(reterr, PRL_STAGE_NETWORK, "netlink RTM_NEWADDR", TAP);
    inet_pton(AF_INET6, router, &route.rtmsg_gateway);
    return ioctl(fd, SIOCADDRT, &route) < 0
               ? prl_fail(reterr, PRL_STAGE_NETWORK, "ioctl SIOCADDRT", router)
               : 0;
}

static int PRL_CHILD_SAFE hand_over_interface(struct prl_setup *s, struct prl_error *reterr)
{
    struct ifreq what = {.ifr_flags = IFF_TAP | IFF_NO_PI}, index = {0};
    _cleanup_close_ int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (tap < 0) /* whatever the reason: it has a remedy of its own */
        return prl_fail_with(reterr, PRL_STAGE_NETWORK, ENODEV, "open", "/dev/net/tun");
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "socket", "AF_INET");
    memcpy(what.ifr_name, TAP, sizeof TAP);
    if (ioctl(tap, TUNSETIFF, &what) < 0)
        return prl_fail_with(reterr, PRL_STAGE_NETWORK, ENODEV, "ioctl TUNSETIFF",
                             "/dev/net/tun");
    int r = set_link(fd, &s->spec->network, reterr);
    if (r == 0)
        r = ask(fd, SIOCGIFINDEX, "ioctl SIOCGIFINDEX", &index, reterr);
    if (r == 0)
        r = set_ipv4(fd, reterr);
    if (r == 0)
        r = set_ipv6(&s->spec->network, (unsigned)index.ifr_ifindex, reterr);
    if (r == 0 && prl_handover_send(s->service_fd, PRL_HANDOVER_TAP, tap, true) < 0)
        r = prl_fail(reterr, PRL_STAGE_NETWORK, "recv", "interface");
    return r;
}

int PRL_CHILD_SAFE prl_network_apply(struct prl_setup *s, struct prl_error *reterr)
{
    bool alone = s->spec->network.helper == PRL_NETWORK_ALONE;
    if (!(s->spec->namespaces & CLONE_NEWNET) || alone)
        return 0;
    int r = 0;
    if (s->spec->network.allow || s->spec->network.helper == PRL_NETWORK_SLIRP)
        r = hand_over_interface(s, reterr);
    if (r < 0)
        return r;
    r = connect_namespace(s, reterr);
    /* The datagram leaves when the helper has answered for the router, and so learned our
     * hardware address; the egress filter answers with a refusal. So both are at work and know
     * our address before the program starts: passt sends frames to an address it does not know
     * that the kernel throws away. */
    if (!(r == 0 && s->spec->network.allow))
        return r;
    const struct timeval patience = {.tv_sec = REFUSAL_SECONDS};
    struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_port = htons(9)};
    char byte = 0;
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, PRL_EGRESS_NOWHERE, &nowhere.sin_addr);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "socket", "AF_INET");
    if (connect(fd, (struct sockaddr *)&nowhere, sizeof nowhere) < 0 ||
        send(fd, &byte, 1, 0) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "connect", PRL_EGRESS_NOWHERE);
    if (recv(fd, &byte, 1, 0) >= 0 || errno != EHOSTUNREACH)
        return prl_fail_with(reterr, PRL_STAGE_NETWORK, ETIMEDOUT, "recv",
                             "the egress filter does not answer");
    return 0;
}
