/* addresses.h: the addresses that a user-mode network has inside, by convention of its helper.
 * In: nothing.  Out: texts.  Never: an address of the host.  Source: pasta(1), slirp4netns(1),
 * RFC 3927. */
#pragma once

#include <arpa/inet.h>
#include <stdint.h>
#include <sys/socket.h>

union prl_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Of a text that is an address, or "" for any of IPv4. */
socklen_t prl_address_fill(union prl_address *ret, const char *text, uint16_t port);

#define PRL_PASTA_DNS "169.254.1.1" /* link-local: no real network routes it */
/* Leads to the host's own address, not its loopback. */
#define PRL_PASTA_GATEWAY  "169.254.1.2"
#define PRL_PASTA_GATEWAY6 "fd70:7972:6f6f:746c::2" /* the same for IPv6 (RFC 4193) */
/* Behind an egress filter both helpers have one network inside, and each its own for IPv6. */
#define PRL_EGRESS_GUEST   "10.0.2.100"
#define PRL_EGRESS_ROUTER  "10.0.2.2"
#define PRL_EGRESS_NOWHERE "240.0.0.1" /* RFC 1112: nobody's; refused whatever is allowed */
#define PRL_PASTA_GUEST6   "fd70:7972:6f6f:746c::64"
#define PRL_PASTA_ROUTER6  "fd70:7972:6f6f:746c::2"
#define PRL_SLIRP_GUEST6   "fd00::64"
#define PRL_SLIRP_ROUTER6  "fd00::2"
#define PRL_SLIRP_DNS      "10.0.2.3"
#define PRL_SLIRP_GUEST    "10.0.2.100"
