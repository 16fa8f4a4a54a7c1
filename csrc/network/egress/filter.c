/* filter.c: which frames of a container may leave it; see filter.h.
 * In, out: as there.  Never: a connection that a container begins from a published port. */
#include "network/egress/filter.h"

#include <stdlib.h>
#include <string.h>

enum { FLAG_SYN = 0x02, FLAG_ACK = 0x10 };
enum { ECHO = 8, ECHO6 = 128, ROUTER_SOLICITATION = 133, NEIGHBOUR_ADVERTISEMENT = 136 };
enum { HOPS_ON_LINK = 255 }; /* RFC 4861: it has passed no router, and passes none */

/* Refused whatever the list allows: a helper that followed such an address would contact the
 * host's own loopback (0.0.0.0 and :: mean it too), or everybody. An IPv6 packet to
 * ::ffff:a.b.c.d would count as one to a.b.c.d. */
static bool is_nowhere(const struct prl_packet *packet)
{
    static const unsigned char zero[10]; /* ::, ::1, and IPv4 in the clothes of IPv6 */
    const unsigned char *target = packet->target;
    if (!packet->v6)
        return target[12] == 0 || target[12] == 127 || target[12] >= 224;
    return memcmp(target, zero, sizeof zero) == 0 || target[0] == 0xff;
}

static bool is_published(const struct prl_egress *egress, bool udp, uint16_t port)
{
    for (size_t i = 0; i < egress->ports_len; i++)
        if (egress->ports[i].udp == udp && egress->ports[i].first <= port &&
            port <= egress->ports[i].last)
            return true;
    return false;
}

/* Has this address sent from this port to that one? The other direction may be writing. */
static bool has_asked(const struct prl_egress *egress, const struct prl_packet *packet,
                      uint16_t port, uint16_t remote_port)
{
    for (size_t i = 0; i < PRL_EGRESS_PEERS; i++) {
        const struct prl_egress_peer *peer = &egress->peers[i];
        uint32_t turn = __atomic_load_n(&peer->turn, __ATOMIC_SEQ_CST);
        struct prl_egress_peer seen = *peer;
        if (turn == 0 || turn % 2 == 1 ||
            turn != __atomic_load_n(&peer->turn, __ATOMIC_SEQ_CST))
            continue;
        if (seen.port == port && seen.remote_port == remote_port &&
            memcmp(seen.address, packet->target, sizeof seen.address) == 0)
            return true;
    }
    return false;
}

/* TCP needs no memory: the helper makes a connection only for a SYN without ACK. */
static bool is_answer(const struct prl_egress *egress, const struct prl_packet *packet)
{
    uint16_t port = prl_packet_16(packet->body), remote = prl_packet_16(packet->body + 2);
    if (!is_published(egress, packet->protocol == PRL_IP_UDP, port))
        return false;
    if (packet->protocol == PRL_IP_UDP)
        return has_asked(egress, packet, port, remote);
    return (packet->body[13] & (FLAG_SYN | FLAG_ACK)) != FLAG_SYN;
}

bool prl_egress_lets_out(const struct prl_egress *egress, const unsigned char *frame,
                         size_t len)
{
    struct prl_packet packet;
    if (prl_packet_type(frame, len) == PRL_ETHER_ARP)
        return true;
    if (!prl_packet_parse(frame, len, &packet))
        return false;
    if (packet.protocol != PRL_IP_TCP && packet.protocol != PRL_IP_UDP) {
        uint8_t type = packet.body[0];
        if (packet.v6 && type >= ROUTER_SOLICITATION && type <= NEIGHBOUR_ADVERTISEMENT)
            return packet.hops == HOPS_ON_LINK;
        return type == (packet.v6 ? ECHO6 : ECHO) && !is_nowhere(&packet) &&
               prl_allow_has(egress->allow, egress->allow_len, packet.target, 0);
    }
    if (is_nowhere(&packet))
        return false;
    uint16_t port = prl_packet_16(packet.body + 2);
    return (port != 0 &&
            prl_allow_has(egress->allow, egress->allow_len, packet.target, port)) ||
           is_answer(egress, &packet);
}

void prl_egress_let_in(struct prl_egress *egress, const unsigned char *frame, size_t len)
{
    struct prl_packet packet;
    if (!prl_packet_parse(frame, len, &packet) || packet.protocol != PRL_IP_UDP)
        return;
    struct prl_packet back = packet;
    memcpy(back.target, packet.source, sizeof back.target);
    uint16_t remote = prl_packet_16(packet.body), port = prl_packet_16(packet.body + 2);
    if (!is_published(egress, true, port) || has_asked(egress, &back, port, remote))
        return;
    struct prl_egress_peer *peer = &egress->peers[egress->next++ % PRL_EGRESS_PEERS];
    uint32_t turn = peer->turn;
    __atomic_store_n(&peer->turn, turn + 1, __ATOMIC_SEQ_CST);
    peer->port = port;
    peer->remote_port = remote;
    memcpy(peer->address, packet.source, sizeof peer->address);
    __atomic_store_n(&peer->turn, turn + 2, __ATOMIC_SEQ_CST);
}

static bool parse_range(const char *text, char end, struct prl_egress_ports *ret)
{
    char *behind;
    unsigned long first = strtoul(text, &behind, 10);
    unsigned long last = *behind == '-' ? strtoul(behind + 1, &behind, 10) : 0;
    if (*behind != end || first == 0 || last < first || last > UINT16_MAX)
        return false;
    ret->first = (uint16_t)first;
    ret->last = (uint16_t)last;
    return true;
}

bool prl_egress_parse_ports(struct prl_egress *egress, const char *text)
{
    for (egress->ports_len = 0; *text; egress->ports_len++) {
        size_t len = strcspn(text, "\n");
        struct prl_egress_ports *ports = &egress->ports[egress->ports_len];
        if (egress->ports_len == PRL_EGRESS_PORTS)
            return false;
        ports->udp = strncmp(text, "udp ", 4) == 0;
        if (!ports->udp && strncmp(text, "tcp ", 4) != 0)
            return false;
        if (!parse_range(text + 4, text[len], ports))
            return false;
        text += len + (text[len] == '\n');
    }
    return true;
}
