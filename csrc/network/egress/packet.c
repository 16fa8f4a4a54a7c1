/* packet.c: take an Ethernet frame apart; see filter.h.
 * In, out: as there.  Never: a guess: what has another form than the plain one is refused. */
#include "network/egress/filter.h"

#include <string.h>

/* The shortest header of each protocol. */
static size_t header_bytes(uint8_t protocol)
{
    switch (protocol) {
    case PRL_IP_TCP:
        return 20;
    case PRL_IP_UDP:
    case PRL_IP_ICMP:
    case PRL_IP_ICMP6:
        return 8;
    default:
        return SIZE_MAX;
    }
}

static void take_v4(const unsigned char *from, unsigned char ret[16])
{
    memset(ret, 0, 10);
    ret[10] = ret[11] = 0xff;
    memcpy(ret + 12, from, 4);
}

uint16_t prl_packet_type(const unsigned char *frame, size_t len)
{
    return len < PRL_ETHER_BYTES ? 0 : prl_packet_16(frame + 12);
}

static bool parse_v4(const unsigned char *ip, size_t len, struct prl_packet *ret)
{
    if (len < PRL_IPV4_BYTES || ip[0] >> 4 != 4)
        return false;
    size_t header = (size_t)(ip[0] & 15) * 4, total = prl_packet_16(ip + 2);
    if (header < PRL_IPV4_BYTES || total < header || total > len)
        return false;
    if ((prl_packet_16(ip + 6) & 0x3fff) != 0) /* more fragments, or not the first */
        return false;
    ret->protocol = ip[9];
    ret->hops = ip[8];
    take_v4(ip + 12, ret->source);
    take_v4(ip + 16, ret->target);
    ret->body = ip + header;
    ret->body_len = total - header;
    return ret->protocol != PRL_IP_ICMP6;
}

static bool parse_v6(const unsigned char *ip, size_t len, struct prl_packet *ret)
{
    if (len < PRL_IPV6_BYTES || ip[0] >> 4 != 6)
        return false;
    size_t body = prl_packet_16(ip + 4);
    if (body > len - PRL_IPV6_BYTES)
        return false;
    ret->v6 = true;
    ret->protocol = ip[6];
    ret->hops = ip[7];
    memcpy(ret->source, ip + 8, 16);
    memcpy(ret->target, ip + 24, 16);
    ret->body = ip + PRL_IPV6_BYTES;
    ret->body_len = body;
    return ret->protocol != PRL_IP_ICMP;
}

bool prl_packet_parse(const unsigned char *frame, size_t len, struct prl_packet *ret)
{
    uint16_t type = prl_packet_type(frame, len);
    *ret = (struct prl_packet){0};
    bool good = (type == PRL_ETHER_IPV4 &&
                 parse_v4(frame + PRL_ETHER_BYTES, len - PRL_ETHER_BYTES, ret)) ||
                (type == PRL_ETHER_IPV6 &&
                 parse_v6(frame + PRL_ETHER_BYTES, len - PRL_ETHER_BYTES, ret));
    return good && ret->body_len >= header_bytes(ret->protocol);
}
