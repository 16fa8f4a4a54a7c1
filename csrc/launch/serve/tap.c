/* tap.c: a container's interface for slirp4netns itself, with the kernel's filter on it.
 * In: the interface that the child handed over.  Out: the same, from which no frame to a
 * loopback can be read.  Never: an interface without its filter.
 *
 * slirp4netns connects to whatever address a frame names.  Its --disable-host-loopback stops
 * the addresses that it invents for the host, and not a raw frame to 127.0.0.1, which a program
 * with CAP_NET_RAW can send.  The filter belongs to the open file, which the container does not
 * have.  Source: tun.rst of the kernel, TUNATTACHFILTER; socket(7), SO_ATTACH_FILTER. */
#include "launch/serve/parent.h"

#include "base/error.h"
#include "base/own.h"
#include "launch/steps/exports.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

/* Where the fields of a frame are. */
enum { TYPE = 12, TARGET4 = 14 + 16, TARGET6 = 14 + 24, LOOPBACK = 127, WHOLE = 0x40000 };

#define LOAD(size, at)        BPF_STMT(BPF_LD | BPF_ABS | (size), at)
#define IF_IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

/* 127.0.0.0/8, 0.0.0.0/8 (which means this host too), and in IPv6 ::/64: the loopback, and IPv4
 * addresses written as IPv6. */
static const struct sock_filter program[] = {
    LOAD(BPF_H, TYPE),
    IF_IS(ETH_P_IP, 1, 0),
    IF_IS(ETH_P_IPV6, 3, 8),
    LOAD(BPF_B, TARGET4),
    IF_IS(LOOPBACK, 5, 0),
    IF_IS(0, 4, 5),
    LOAD(BPF_W, TARGET6),
    IF_IS(0, 0, 3),
    LOAD(BPF_W, TARGET6 + 4),
    IF_IS(0, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 0),
    BPF_STMT(BPF_RET | BPF_K, WHOLE),
};

int prl_serve_tap(struct prl_setup *setup, int *ret_fd, struct prl_error *reterr)
{
    struct sock_fprog filter = {.len = sizeof program / sizeof *program,
                                .filter = (struct sock_filter *)program};
    if (ioctl(setup->tap_fd, TUNATTACHFILTER, &filter) < 0)
        return prl_fail(reterr, PRL_STAGE_NETWORK, "ioctl TUNATTACHFILTER", "tap0");
    *ret_fd = steal_fd(&setup->tap_fd);
    return 0;
}
