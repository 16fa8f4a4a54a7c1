/* allow.c: rows of the list of allowed destinations; see allow.h.
 * In, out: as there.  Never: memory, a file, the network. */
#include "network/allow.h"

#include <arpa/inet.h>
#include <string.h>

enum { V4_BITS = 96, ALL_BITS = 128, ADDRESS_BYTES = 46, PORT_MAX = 65535 };

unsigned prl_allow_address(const char *text, unsigned char ret[16])
{
    memset(ret, 0, 16);
    if (inet_pton(AF_INET6, text, ret) == 1)
        return ALL_BITS;
    ret[10] = ret[11] = 0xff;
    return inet_pton(AF_INET, text, ret + 12) == 1 ? ALL_BITS - V4_BITS : 0;
}

/* A number of `len` digits without a sign or leading zeros, 0 excepted. */
static bool parse_number(const char *text, size_t len, unsigned max, unsigned *ret)
{
    *ret = 0;
    if (len == 0 || len > 5 || (len > 1 && *text == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *ret = *ret * 10 + (unsigned)(text[i] - '0');
    }
    return *ret <= max;
}

static bool parse_prefix(const char *text, size_t len, struct prl_allow *ret)
{
    char address[ADDRESS_BYTES];
    unsigned bits;
    const char *slash = memchr(text, '/', len);
    size_t address_len = slash ? (size_t)(slash - text) : 0;
    if (address_len == 0 || address_len >= sizeof address)
        return false;
    memcpy(address, text, address_len);
    address[address_len] = '\0';
    unsigned whole = prl_allow_address(address, ret->address);
    if (whole == 0 || !parse_number(slash + 1, len - address_len - 1, whole, &bits))
        return false;
    ret->bits = (unsigned char)(bits + ALL_BITS - whole);
    for (unsigned bit = ret->bits; bit < ALL_BITS; bit++)
        if ((ret->address[bit / 8] >> (7 - bit % 8) & 1))
            return false;
    return true;
}

bool prl_allow_parse(const char *line, size_t len, struct prl_allow *ret)
{
    unsigned port = 0;
    const char *space = memchr(line, ' ', len);
    if (!space || !parse_prefix(line, (size_t)(space - line), ret))
        return false;
    const char *at = space + 1;
    len -= (size_t)(at - line);
    const char *end = memchr(at, ' ', len);
    size_t port_len = end ? (size_t)(end - at) : len;
    bool all = port_len == 1 && *at == '*';
    if (!all && (!parse_number(at, port_len, PORT_MAX, &port) || port == 0))
        return false;
    ret->port = (uint16_t)port;
    return true;
}

int prl_allow_parse_all(const char *text, struct prl_allow *ret, size_t max)
{
    size_t count = 0;
    for (;;) {
        size_t len = strcspn(text, "\n");
        if (count == max || !prl_allow_parse(text, len, &ret[count]))
            return -1;
        count++;
        if (text[len] == '\0')
            return (int)count;
        text += len + 1;
    }
}

/* The prefix under which IPv4 is kept: no network of IPv6, however wide, contains it. */
static bool is_v4(const unsigned char address[16])
{
    static const unsigned char prefix[V4_BITS / 8] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address, prefix, sizeof prefix) == 0;
}

static bool covers(const struct prl_allow *row, const unsigned char address[16])
{
    unsigned whole = row->bits / 8, rest = row->bits % 8;
    if ((row->bits >= V4_BITS && is_v4(row->address)) != is_v4(address))
        return false;
    if (memcmp(row->address, address, whole) != 0)
        return false;
    return rest == 0 || (row->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool prl_allow_has(const struct prl_allow *rows, size_t rows_len,
                   const unsigned char address[16], uint16_t port)
{
    for (size_t i = 0; i < rows_len; i++)
        if ((rows[i].port == 0 || (port != 0 && rows[i].port == port)) &&
            covers(&rows[i], address))
            return true;
    return false;
}
