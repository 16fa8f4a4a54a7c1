/* refusal.c: tell a program at once that it may not go there; see filter.h.
 * In: a frame that stays.  Out: the ICMP message that a router would send back.
 * Never: an answer to what is not one request to one address: no answer to ICMP errors,
 * fragments, multicast.  Source: RFC 792, RFC 1071, RFC 4443. */
#include "network/egress/filter.h"

#include <string.h>

enum { HOPS = 64, UNREACHABLE = 3, PROHIBITED = 13, UNREACHABLE6 = 1, PROHIBITED6 = 1 };
enum { ICMP_BYTES = 8, QUOTED_BYTES = 8, ECHO = 8, ECHO6 = 128 };

static void put_16(unsigned char *at, size_t value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static uint32_t sum(uint32_t so_far, const unsigned char *at, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        so_far += prl_packet_16(at + i);
    return len % 2 ? so_far + ((uint32_t)at[len - 1] << 8) : so_far;
}

static uint16_t fold(uint32_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

static size_t refuse_v4(const unsigned char *ip, const struct prl_packet *packet,
                        unsigned char *ret)
{
    size_t header = (size_t)(packet->body - ip), quoted = header + QUOTED_BYTES;
    size_t total = PRL_IPV4_BYTES + ICMP_BYTES + quoted;
    unsigned char *icmp = ret + PRL_IPV4_BYTES;
    memset(ret, 0, PRL_IPV4_BYTES + ICMP_BYTES);
    ret[0] = 0x45;
    put_16(ret + 2, total);
    ret[8] = HOPS;
    ret[9] = PRL_IP_ICMP;
    memcpy(ret + 12, ip + 16, 4);
    memcpy(ret + 16, ip + 12, 4);
    put_16(ret + 10, fold(sum(0, ret, PRL_IPV4_BYTES)));
    icmp[0] = UNREACHABLE;
    icmp[1] = PROHIBITED;
    memcpy(icmp + ICMP_BYTES, ip, quoted);
    put_16(icmp + 2, fold(sum(0, icmp, ICMP_BYTES + quoted)));
    return total;
}

static size_t refuse_v6(const unsigned char *ip, unsigned char *ret)
{
    size_t quoted = PRL_IPV6_BYTES + QUOTED_BYTES, body = ICMP_BYTES + quoted;
    unsigned char *icmp = ret + PRL_IPV6_BYTES;
    memset(ret, 0, PRL_IPV6_BYTES + ICMP_BYTES);
    ret[0] = 0x60;
    put_16(ret + 4, body);
    ret[6] = PRL_IP_ICMP6;
    ret[7] = HOPS;
    memcpy(ret + 8, ip + 24, 16);
    memcpy(ret + 24, ip + 8, 16);
    icmp[0] = UNREACHABLE6;
    icmp[1] = PROHIBITED6;
    memcpy(icmp + ICMP_BYTES, ip, quoted);
    uint32_t pseudo = sum((uint32_t)body + PRL_IP_ICMP6, ret + 8, 32);
    put_16(icmp + 2, fold(sum(pseudo, icmp, body)));
    return PRL_IPV6_BYTES + body;
}

static bool deserves_answer(const struct prl_packet *packet)
{
    const unsigned char *target = packet->target;
    bool many = packet->v6
                    ? target[0] == 0xff
                    : target[12] >> 4 == 14 || memcmp(target + 12, "\xff\xff\xff\xff", 4) == 0;
    if (packet->protocol == PRL_IP_ICMP || packet->protocol == PRL_IP_ICMP6)
        return !many && packet->body[0] == (packet->v6 ? ECHO6 : ECHO);
    return !many;
}

size_t prl_egress_refuse(const unsigned char *frame, size_t len,
                         unsigned char ret[PRL_EGRESS_REFUSAL_BYTES])
{
    struct prl_packet packet;
    const unsigned char *ip = frame + PRL_ETHER_BYTES;
    if (!prl_packet_parse(frame, len, &packet) || !deserves_answer(&packet))
        return 0;
    /* From who was spoken to, to who spoke. */
    memcpy(ret, frame + 6, 6);
    memcpy(ret + 6, frame, 6);
    memcpy(ret + 12, frame + 12, 2);
    return PRL_ETHER_BYTES + (packet.v6 ? refuse_v6(ip, ret + PRL_ETHER_BYTES)
                                        : refuse_v4(ip, &packet, ret + PRL_ETHER_BYTES));
}
