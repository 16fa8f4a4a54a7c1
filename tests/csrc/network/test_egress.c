// sources: csrc/network/*.c csrc/network/egress/filter.c csrc/network/egress/packet.c
// sources: csrc/network/egress/refusal.c

/* test_egress_filter.c: which frames leave a container behind an egress filter, and what it is
 * told of the others. In: frames byte by byte, also broken ones.  Out: exact answers.  Never: a
 * process, a network.
 */
#include "network/egress/filter.h"

#include "check.h"

#include <stdint.h>

enum { TCP = PRL_IP_TCP, UDP = PRL_IP_UDP, ICMP = PRL_IP_ICMP, ICMP6 = PRL_IP_ICMP6 };
enum { SYN = 2, ACK = 16, FIN = 1 };

static struct prl_egress egress;
static unsigned char frame[2048];
static size_t frame_len;

static void put_16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void use(const char *allow, const char *ports)
{
    memset(&egress, 0, sizeof egress);
    int rows = prl_allow_parse_all(allow, egress.allow, PRL_ALLOW_MAX);
    egress.allow_len = rows < 0 ? 0 : (size_t)rows;
    if (rows < 0 || !prl_egress_parse_ports(&egress, ports))
        abort();
}

/* From 10.0.2.100 or fd00::64 port 5000, with ten bytes behind the header. */
static void make(const char *target, unsigned protocol, unsigned port, unsigned flags)
{
    unsigned char address[16], *ip = frame + PRL_ETHER_BYTES;
    static const unsigned char own4[4] = {10, 0, 2, 100}, own6[16] = {0xfd, [15] = 0x64};
    bool v6 = strchr(target, ':') != NULL;
    size_t header = v6 ? PRL_IPV6_BYTES : PRL_IPV4_BYTES, body = 30;
    memset(frame, 0, sizeof frame);
    memset(frame, 0x22, 6);
    memset(frame + 6, 0x44, 6);
    put_16(frame + 12, v6 ? PRL_ETHER_IPV6 : PRL_ETHER_IPV4);
    if (prl_allow_address(target, address) == 0)
        abort();
    ip[0] = v6 ? 0x60 : 0x45;
    put_16(ip + (v6 ? 4 : 2), (unsigned)(v6 ? body : header + body));
    ip[v6 ? 7 : 8] = 64;
    ip[v6 ? 6 : 9] = (unsigned char)protocol;
    memcpy(ip + (v6 ? 8 : 12), v6 ? own6 : own4, v6 ? 16 : 4);
    memcpy(ip + (v6 ? 24 : 16), v6 ? address : address + 12, v6 ? 16 : 4);
    unsigned char *l4 = ip + header;
    put_16(l4, 5000);
    put_16(l4 + 2, port);
    l4[13] = (unsigned char)flags;
    if (protocol == ICMP || protocol == ICMP6)
        l4[0] = (unsigned char)flags;
    frame_len = PRL_ETHER_BYTES + header + body;
}

static bool leaves(const char *target, unsigned protocol, unsigned port, unsigned flags)
{
    make(target, protocol, port, flags);
    return prl_egress_lets_out(&egress, frame, frame_len);
}

TEST(rows)
{
    struct prl_allow row;
    static const char *const good[] = {"192.0.2.1/32 *",        "192.0.2.0/24 443",
                                       "0.0.0.0/0 *",           "::/0 65535 name",
                                       "2001:db8::/32 * a.b.c", "10.0.2.128/25 1 x"};
    static const char *const bad[] = {"",
                                      "192.0.2.1",
                                      "192.0.2.1 *",
                                      "192.0.2.1/33 *",
                                      "192.0.2.1/24 *",
                                      "/32 *",
                                      "192.0.2.1/32 0",
                                      "192.0.2.1/32",
                                      "192.0.2.1/32 65536",
                                      "192.0.2.1/032 *",
                                      "::1/129 *",
                                      "2001:db8::1/32 *",
                                      "192.0.2.1/32 **",
                                      "name/32 *",
                                      "192.0.2.1/32 -1",
                                      "192.0.2.1/ *",
                                      "192.0.2.1/32  *",
                                      "1.2.3.4/00 *"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(prl_allow_parse(good[i], strlen(good[i]), &row));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!prl_allow_parse(bad[i], strlen(bad[i]), &row));
    CHECK_INT(prl_allow_parse_all("192.0.2.1/32 *\n::1/128 80", egress.allow, 2), 2);
    CHECK_INT(prl_allow_parse_all("192.0.2.1/32 *\n::1/128 80", egress.allow, 1), -1);
    CHECK_INT(prl_allow_parse_all("192.0.2.1/32 *\n", egress.allow, 2), -1);
}

TEST(ports)
{
    static const char *const bad[] = {"80-90",    "tcp 0-1",     "tcp 90-80", "tcp 80",
                                      "icmp 1-2", "tcp 1-65536", "tcp 1-2x",  "tcp 1-2\n\n"};
    CHECK(prl_egress_parse_ports(&egress, ""));
    CHECK_INT(egress.ports_len, 0);
    CHECK(prl_egress_parse_ports(&egress, "tcp 80-80\nudp 5000-5002"));
    CHECK_INT(egress.ports_len, 2);
    CHECK(egress.ports[1].udp && egress.ports[1].first == 5000 && egress.ports[1].last == 5002);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!prl_egress_parse_ports(&egress, bad[i]));
}

TEST(destinations)
{
    use("192.0.2.1/32 443 a.example\n198.51.100.128/25 *\n2001:db8::/33 *\n2001:db8:ff::1/128 "
        "80",
        "");
    CHECK(leaves("192.0.2.1", TCP, 443, SYN));
    CHECK(leaves("192.0.2.1", UDP, 443, 0));
    CHECK(!leaves("192.0.2.1", TCP, 444, SYN));
    CHECK(!leaves("192.0.2.1", TCP, 444, ACK));
    CHECK(!leaves("192.0.2.2", TCP, 443, SYN));
    CHECK(!leaves("192.0.2.1", TCP, 0, SYN));
    CHECK(leaves("198.51.100.128", TCP, 1, SYN));
    CHECK(leaves("198.51.100.255", UDP, 65535, 0));
    CHECK(!leaves("198.51.100.127", TCP, 1, SYN));
    CHECK(!leaves("198.51.101.128", TCP, 1, SYN));
    CHECK(leaves("2001:db8:7fff::5", TCP, 22, SYN));
    CHECK(!leaves("2001:db8:8000::5", TCP, 22, SYN));
    CHECK(leaves("2001:db8:ff::1", TCP, 80, SYN));
    CHECK(!leaves("fe80::1", UDP, 53, 0));
}

/* Whatever the list says. */
TEST(nowhere)
{
    static const char *const nowhere[] = {
        "127.0.0.1",       "127.255.0.1", "0.0.0.0", "0.1.2.3",     "224.0.0.1",
        "255.255.255.255", "::",          "::1",     "::127.0.0.1", "ff02::1",
        "::ffff:192.0.2.1"};
    use("0.0.0.0/0 *\n::/0 *", "");
    CHECK(leaves("192.0.2.1", TCP, 80, SYN));
    CHECK(leaves("2001:db8::1", TCP, 80, SYN));
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        bool v6 = strchr(nowhere[i], ':') != NULL;
        CHECK(!leaves(nowhere[i], TCP, 80, SYN));
        CHECK(!leaves(nowhere[i], UDP, 80, 0));
        CHECK(!leaves(nowhere[i], v6 ? ICMP6 : ICMP, 0, v6 ? 128 : 8));
    }
}

/* The address of an IPv4 row is no address of IPv6. */
TEST(mapped_addresses)
{
    use("192.0.2.0/24 *", "");
    CHECK(!leaves("::ffff:192.0.2.1", TCP, 80, SYN));
    use("::/0 *", "");
    CHECK(!leaves("::ffff:192.0.2.1", TCP, 80, SYN));
    CHECK(!leaves("192.0.2.1", TCP, 80, SYN));
    use("::ffff:192.0.2.1/128 80", "");
    CHECK(leaves("192.0.2.1", TCP, 80, SYN));
    CHECK(!leaves("::ffff:192.0.2.1", TCP, 80, SYN));
}

/* Networks of both families, IPv4 also in the form that IPv6 writes it in, and who is in them:
 * a letter an address. */
TEST(a_network_covers_its_own_family)
{
    static const char *const addresses[] = {
        "192.0.2.1", "198.51.100.7",     "255.255.255.255",   "0.0.0.0",   "2001:db8::1",
        "::1",       "::ffff:192.0.2.1", "64:ff9b::c000:201", "::fffe:0:1"};
    static const struct {
        const char *network, *covers;
    } rows[] = {
        {"0.0.0.0/0", "yyyy--y--"},
        {"::/0", "----yy-yy"},
        {"::/1", "----yy-yy"},
        {"::/64", "-----y--y"},
        {"::/80", "-----y--y"},
        {"::/95", "-----y---"},
        {"::fffe:0:0/95", "--------y"},
        {"::fffe:0:0/96", "--------y"},
        {"::ffff:0:0/96", "yyyy--y--"},
        {"::ffff:0:0/97", "---y-----"},
        {"::ffff:192.0.2.0/120", "y-----y--"},
        {"::ffff:192.0.2.1/128", "y-----y--"},
        {"192.0.2.0/24", "y-----y--"},
        {"192.0.2.1/32", "y-----y--"},
        {"128.0.0.0/1", "yyy---y--"},
        {"2001:db8::/32", "----y----"},
        {"64:ff9b::/96", "-------y-"},
        {"::/128", "---------"},
        {"::1/128", "-----y---"},
    };
    char line[64], found[16] = "";
    unsigned char address[16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct prl_allow row;
        snprintf(line, sizeof line, "%s *", rows[i].network);
        CHECK(prl_allow_parse(line, strlen(line), &row));
        for (size_t j = 0; j < sizeof addresses / sizeof *addresses; j++) {
            CHECK(prl_allow_address(addresses[j], address) > 0);
            found[j] = prl_allow_has(&row, 1, address, 80) ? 'y' : '-';
        }
        if (strcmp(found, rows[i].covers) != 0)
            printf("%s: %s, expected %s\n", rows[i].network, found, rows[i].covers);
        CHECK(strcmp(found, rows[i].covers) == 0);
    }
}

TEST(echoes)
{
    use("192.0.2.1/32 *\n192.0.2.2/32 80\n2001:db8::1/128 *", "");
    CHECK(leaves("192.0.2.1", ICMP, 0, 8));
    CHECK(!leaves("192.0.2.2", ICMP, 0, 8)); /* a port is no permission to ping */
    CHECK(!leaves("192.0.2.1", ICMP, 0, 5)); /* a redirect */
    CHECK(leaves("2001:db8::1", ICMP6, 0, 128));
    CHECK(!leaves("2001:db8::1", ICMP6, 0, 137));
    CHECK(!leaves("2001:db8::2", ICMP6, 0, 128));
    CHECK(!leaves("192.0.2.1", ICMP6, 0, 128)); /* IPv6's protocol within IPv4, and back */
    CHECK(!leaves("2001:db8::1", ICMP, 0, 8));
}

TEST(neighbours)
{
    use("192.0.2.1/32 *", "");
    make("ff02::1:ff00:2", ICMP6, 0, 135);
    CHECK(!prl_egress_lets_out(&egress, frame, frame_len)); /* 64 hops: it may have come far */
    frame[PRL_ETHER_BYTES + 7] = 255;
    CHECK(prl_egress_lets_out(&egress, frame, frame_len));
    memset(frame, 0, sizeof frame);
    put_16(frame + 12, PRL_ETHER_ARP);
    CHECK(prl_egress_lets_out(&egress, frame, 42));
}

/* What could be read in two ways is not read. */
TEST(odd_forms)
{
    static const unsigned types[] = {0x8100, 0x88a8, 0x86de, 0, 0x0801};
    unsigned char *ip = frame + PRL_ETHER_BYTES;
    use("0.0.0.0/0 *\n::/0 *", "");
#define CHECK_ODD(target, change)                                                              \
    do {                                                                                       \
        make(target, TCP, 80, SYN);                                                            \
        CHECK(prl_egress_lets_out(&egress, frame, frame_len));                                 \
        change;                                                                                \
        CHECK(!prl_egress_lets_out(&egress, frame, frame_len));                                \
    } while (0)
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        CHECK_ODD("192.0.2.1", put_16(frame + 12, types[i]));
    CHECK_ODD("192.0.2.1", ip[6] = 0x20);       /* more fragments */
    CHECK_ODD("192.0.2.1", ip[7] = 1);          /* a later fragment */
    CHECK_ODD("192.0.2.1", ip[0] = 0x44);       /* a header shorter than itself */
    CHECK_ODD("192.0.2.1", ip[0] = 0x65);       /* version 6 in IPv4's type */
    CHECK_ODD("192.0.2.1", ip[0] = 0x4f);       /* a header that reaches behind the end */
    CHECK_ODD("192.0.2.1", put_16(ip + 2, 51)); /* longer than the frame */
    CHECK_ODD("192.0.2.1", put_16(ip + 2, 39)); /* no room for TCP's header */
    CHECK_ODD("192.0.2.1", put_16(ip + 2, 0));
    CHECK_ODD("192.0.2.1", ip[9] = 47); /* GRE, IP in IP, SCTP */
    CHECK_ODD("192.0.2.1", ip[9] = 4);
    CHECK_ODD("192.0.2.1", ip[9] = 132);
    CHECK_ODD("2001:db8::1", ip[6] = 0); /* hop-by-hop options, routing, fragment */
    CHECK_ODD("2001:db8::1", ip[6] = 43);
    CHECK_ODD("2001:db8::1", ip[6] = 44);
    CHECK_ODD("2001:db8::1", ip[6] = 41);
    CHECK_ODD("2001:db8::1", ip[0] = 0x45);
    CHECK_ODD("2001:db8::1", put_16(ip + 4, 31));
    CHECK_ODD("2001:db8::1", put_16(ip + 4, 0)); /* a jumbogram */
}

TEST(ip_options_are_walked_over)
{
    unsigned char *ip = frame + PRL_ETHER_BYTES;
    use("192.0.2.1/32 443", "");
    make("192.0.2.1", TCP, 0, SYN);
    ip[0] = 0x46;
    put_16(ip + 2, 54);
    put_16(ip + 26, 443); /* where a header of 24 bytes has the port */
    frame_len += 4;
    CHECK(prl_egress_lets_out(&egress, frame, frame_len));
    put_16(ip + 26, 80);
    put_16(ip + 22, 443); /* where one of 20 would have it */
    CHECK(!prl_egress_lets_out(&egress, frame, frame_len));
}

/* Answers, and nothing that begins anything. */
TEST(published_tcp)
{
    use("192.0.2.1/32 443", "tcp 4999-5000");
    CHECK(!leaves("203.0.113.9", TCP, 6000, SYN));
    CHECK(leaves("203.0.113.9", TCP, 6000, SYN | ACK));
    CHECK(leaves("203.0.113.9", TCP, 6000, ACK));
    CHECK(leaves("2001:db8::9", TCP, 6000, FIN | ACK));
    CHECK(!leaves("203.0.113.9", UDP, 6000, 0));
    CHECK(!leaves("127.0.0.1", TCP, 6000, ACK));
    use("192.0.2.1/32 443", "tcp 5001-5002");
    CHECK(!leaves("203.0.113.9", TCP, 6000, ACK));
}

static void arrive(const char *source, unsigned remote, unsigned port)
{
    unsigned char *ip = frame + PRL_ETHER_BYTES, held[16];
    make(source, UDP, port, 0);
    bool v6 = strchr(source, ':') != NULL;
    size_t size = v6 ? 16 : 4, from = v6 ? 8 : 12, to = v6 ? 24 : 16;
    memcpy(held, ip + from, size);
    memcpy(ip + from, ip + to, size);
    memcpy(ip + to, held, size);
    put_16(ip + (v6 ? PRL_IPV6_BYTES : PRL_IPV4_BYTES), remote);
    prl_egress_let_in(&egress, frame, frame_len);
}

TEST(published_udp)
{
    use("192.0.2.1/32 443", "udp 5000-5000");
    CHECK(!leaves("203.0.113.9", UDP, 6000, 0));
    arrive("203.0.113.9", 6000, 5000);
    CHECK(leaves("203.0.113.9", UDP, 6000, 0));
    CHECK(!leaves("203.0.113.9", UDP, 6001, 0));
    CHECK(!leaves("203.0.113.8", UDP, 6000, 0));
    CHECK(!leaves("203.0.113.9", TCP, 6000, SYN));
    arrive("203.0.113.8", 6000, 5001); /* to a port that is not published */
    CHECK(!leaves("203.0.113.8", UDP, 6000, 0));
    arrive("2001:db8::9", 6000, 5000);
    CHECK(leaves("2001:db8::9", UDP, 6000, 0));
}

/* The oldest is forgotten first, and one who asks twice takes one place. */
TEST(published_udp_peers)
{
    use("192.0.2.1/32 443", "udp 5000-5000");
    for (unsigned i = 0; i < 3; i++)
        arrive("203.0.113.9", 1, 5000);
    CHECK_INT(egress.next, 1);
    for (unsigned i = 2; i <= PRL_EGRESS_PEERS; i++)
        arrive("203.0.113.9", i, 5000);
    CHECK(leaves("203.0.113.9", UDP, 1, 0));
    arrive("203.0.113.9", PRL_EGRESS_PEERS + 1, 5000);
    CHECK(!leaves("203.0.113.9", UDP, 1, 0));
    CHECK(leaves("203.0.113.9", UDP, PRL_EGRESS_PEERS + 1, 0));
    egress.peers[5].turn++; /* being written */
    CHECK(!leaves("203.0.113.9", UDP, 6, 0));
    CHECK(leaves("203.0.113.9", UDP, 7, 0));
}

static unsigned checksum(uint32_t total, const unsigned char *at, size_t len)
{
    for (size_t i = 0; i < len; i += 2)
        total += (uint32_t)at[i] << 8 | at[i + 1];
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

TEST(refusals)
{
    unsigned char answer[PRL_EGRESS_REFUSAL_BYTES], *ip = answer + PRL_ETHER_BYTES;
    make("192.0.2.1", TCP, 80, SYN);
    CHECK_INT(prl_egress_refuse(frame, frame_len, answer), 14 + 20 + 8 + 28);
    CHECK(memcmp(answer, frame + 6, 6) == 0 && memcmp(answer + 6, frame, 6) == 0);
    CHECK(memcmp(ip + 12, frame + 14 + 16, 4) == 0 && memcmp(ip + 16, frame + 14 + 12, 4) == 0);
    CHECK_INT(ip[20], 3);
    CHECK_INT(ip[21], 13);
    CHECK(memcmp(ip + 28, frame + 14, 28) == 0);
    CHECK_INT(checksum(0, ip, 20), 0xffff);
    CHECK_INT(checksum(0, ip + 20, 36), 0xffff);
    make("2001:db8::1", UDP, 80, 0);
    CHECK_INT(prl_egress_refuse(frame, frame_len, answer), 14 + 40 + 8 + 48);
    CHECK_INT(ip[40], 1);
    CHECK_INT(ip[41], 1);
    CHECK(memcmp(ip + 48, frame + 14, 48) == 0);
    CHECK_INT(checksum(56 + ICMP6 + checksum(0, ip + 8, 32), ip + 40, 56), 0xffff);
}

TEST(no_refusal_of_errors_and_crowds)
{
    unsigned char answer[PRL_EGRESS_REFUSAL_BYTES];
    static const struct {
        const char *target;
        unsigned protocol, flags;
        bool answered;
    } cases[] = {{"192.0.2.1", ICMP, 8, true},      {"192.0.2.1", ICMP, 3, false},
                 {"2001:db8::1", ICMP6, 128, true}, {"2001:db8::1", ICMP6, 1, false},
                 {"224.0.0.251", UDP, 0, false},    {"255.255.255.255", UDP, 0, false},
                 {"ff02::fb", UDP, 0, false},       {"192.0.2.1", 47, 0, false},
                 {"240.0.0.1", UDP, 0, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make(cases[i].target, cases[i].protocol, 80, cases[i].flags);
        CHECK_INT(prl_egress_refuse(frame, frame_len, answer) > 0, cases[i].answered);
    }
    memset(frame, 0, sizeof frame);
    put_16(frame + 12, PRL_ETHER_ARP);
    CHECK_INT(prl_egress_refuse(frame, 42, answer), 0);
}

/* Each frame in a block of its own size, so that a byte behind it is seen; each byte of a good
 * one changed to everything. */
TEST(broken_frames)
{
    static const char *const targets[] = {"192.0.2.1", "2001:db8::1"};
    unsigned char answer[PRL_EGRESS_REFUSAL_BYTES];
    use("192.0.2.1/32 443", "udp 5000-5000\ntcp 5000-5000");
    for (size_t t = 0; t < 2; t++) {
        make(targets[t], TCP, 80, ACK);
        for (size_t len = 0; len <= frame_len; len++) {
            unsigned char *copy = malloc(len ? len : 1);
            memcpy(copy, frame, len);
            bool out = prl_egress_lets_out(&egress, copy, len);
            CHECK(!out || len == frame_len);
            CHECK(prl_egress_refuse(copy, len, answer) <= sizeof answer);
            prl_egress_let_in(&egress, copy, len);
            free(copy);
        }
        for (size_t at = 0; at < 2 * frame_len; at++)
            for (unsigned value = 0; value < 256; value++) {
                unsigned char *copy = malloc(frame_len);
                memcpy(copy, frame, frame_len);
                copy[at / 2] = (unsigned char)value;
                copy[23 - 3 * t] = at % 2 ? UDP : copy[23 - 3 * t];
                prl_egress_let_in(&egress, copy, frame_len);
                (void)prl_egress_lets_out(&egress, copy, frame_len);
                CHECK(prl_egress_refuse(copy, frame_len, answer) <= sizeof answer);
                free(copy);
            }
    }
}
