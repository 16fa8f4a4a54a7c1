/* filter.h: which frames of a container may leave it.
 * In: Ethernet frames as a container sends them; a hostile program may have made them.
 * Out: yes or no.  Never: memory beyond the frame; trust in a length that a frame states.
 *
 * What leaves: ARP and neighbour discovery, which the helper answers itself; TCP, UDP and echo
 * requests to an allowed destination; answers from a published port to whoever asked there.
 * Everything else stays, also what cannot be judged: fragments, extension headers, other
 * protocols.  Source: RFC 791, 826, 4861, 8200, 9293. */
#pragma once

#include "network/allow.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRL_EGRESS_PORTS = 4096, PRL_EGRESS_PEERS = 256 };

/* Ports of the container that the host publishes. */
struct prl_egress_ports {
    uint16_t first, last;
    bool udp;
};

/* Who sent a datagram to a published port.  `turn` is odd while the row is being written. */
struct prl_egress_peer {
    uint32_t turn;
    uint16_t remote_port, port;
    unsigned char address[16];
};

/* Shared by the two directions: `peers` and `next` are written by the one that lets in. */
struct prl_egress {
    struct prl_allow allow[PRL_ALLOW_MAX];
    size_t allow_len;
    struct prl_egress_ports ports[PRL_EGRESS_PORTS];
    size_t ports_len;
    struct prl_egress_peer peers[PRL_EGRESS_PEERS];
    uint32_t next;
};

bool prl_egress_lets_out(const struct prl_egress *egress, const unsigned char *frame,
                         size_t len);
/* For each frame that goes in: remember who may be answered. */
void prl_egress_let_in(struct prl_egress *egress, const unsigned char *frame, size_t len);
/* Write the refusal of a frame that may not leave into ret, as a router would send it (ICMP,
 * "administratively prohibited"). Returns its length; 0: this frame gets no answer. */
enum { PRL_EGRESS_REFUSAL_BYTES = 128 };
size_t prl_egress_refuse(const unsigned char *frame, size_t len,
                         unsigned char ret[PRL_EGRESS_REFUSAL_BYTES]);
/* "tcp|udp FIRST-LAST" a line; "": none.  false: not of this form. */
bool prl_egress_parse_ports(struct prl_egress *egress, const char *text);

/* packet.c: the parts of an Ethernet frame that the egress filter looks at. */
enum { PRL_ETHER_BYTES = 14, PRL_IPV4_BYTES = 20, PRL_IPV6_BYTES = 40 };
enum { PRL_ETHER_IPV4 = 0x0800, PRL_ETHER_ARP = 0x0806, PRL_ETHER_IPV6 = 0x86dd };
enum { PRL_IP_ICMP = 1, PRL_IP_TCP = 6, PRL_IP_UDP = 17, PRL_IP_ICMP6 = 58 };

struct prl_packet {
    bool v6;
    uint8_t protocol, hops;
    unsigned char source[16], target[16]; /* IPv4 as ::ffff:a.b.c.d */
    const unsigned char *body;            /* of TCP, UDP or ICMP: its whole header is there */
    size_t body_len;
};

static inline uint16_t prl_packet_16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* 0 when it is too short to have one. */
uint16_t prl_packet_type(const unsigned char *frame, size_t len);
/* TCP, UDP, ICMP or ICMPv6 in one piece, without extension headers; false: anything else. */
bool prl_packet_parse(const unsigned char *frame, size_t len, struct prl_packet *ret);

/* relay.c: the process between a container's interface and its network helper.  What
 * `pyrootless _egress-filter PARENT stream|packet PORTS ALLOW` does; returns an exit status.
 * Writes one byte to standard output when it is at work. `pyrootless _egress-filter inside
 * PARENT PROGRAM ARGS…`: execute it as root of the user namespace that is descriptor 5.
 */
int prl_egress_main(char **args);
