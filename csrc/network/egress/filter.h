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
