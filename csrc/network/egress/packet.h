/* packet.h: the parts of an Ethernet frame that the egress filter looks at.
 * In: a frame.  Out: its parts, or that it has a form nobody needs.
 * Never: a byte behind the frame's end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
