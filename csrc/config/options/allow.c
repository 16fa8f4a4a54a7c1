/* allow.c: the values of --allow-host.
 * In: texts.  Out: a name or a network, and a port.  Never: a look at the network. */
#include "config/options/values.h"

#include "base/error.h"
#include "network/exports.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 63 };

#define BAD(option, ...) prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option, __VA_ARGS__)

/* 1 … max, without a sign or leading zeros. */
static bool parse_number(const char *text, unsigned max, unsigned *ret)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 5 || text[len] || (len > 1 && text[0] == '0'))
        return false;
    sscanf(text, "%u", ret);
    return *ret <= max;
}

/* Host names as in RFC 1123, and the underscore that occurs in practice. The last label must
 * not be a number: that would be a mistyped address. */
static bool is_name(const char *text)
{
    const char *label = text;
    for (;;) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
            return false;
        for (size_t i = 0; i < len; i++)
            if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
                return false;
        if (!label[len])
            return label[strspn(label, "0123456789")] != '\0';
        label += len + 1;
    }
}

/* The row that a name or network with a port stands for tells whether it is one. */
static bool take_network(struct prl_value_allow *ret)
{
    unsigned char address[16];
    unsigned bits = 0;
    char *slash = strchr(ret->host, '/');
    if (slash)
        *slash = '\0';
    unsigned whole = prl_allow_address(ret->host, address);
    if (whole == 0 || (slash && !parse_number(slash + 1, whole, &bits)))
        return false;
    ret->bits = slash ? (int)bits : (int)whole;
    return true;
}

static bool take_name(struct prl_value_allow *ret)
{
    size_t len = strlen(ret->host);
    if (len > 1 && ret->host[len - 1] == '.') /* "the root's": it is looked up as it stands */
        ret->host[len - 1] = '\0';
    for (char *at = ret->host; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    ret->bits = -1;
    return is_name(ret->host);
}

/* Where the port begins; NULL: there is none.  *ret_host and *ret_len are what stands before.
 */
static const char *split(const char *text, const char **ret_host, size_t *ret_len)
{
    const char *close = text[0] == '[' ? strchr(text, ']') : NULL;
    const char *colon = strchr(text, ':');
    *ret_host = close ? text + 1 : text;
    *ret_len = close ? (size_t)(close - text) - 1 : strlen(text);
    if (close)
        return close[1] ? close + 1 : NULL;
    if (!colon || strchr(colon + 1, ':')) /* IPv6 without brackets */
        return NULL;
    *ret_len = (size_t)(colon - text);
    return colon;
}

static int check_prefix(const char *option, const char *text,
                        const struct prl_value_allow *value, struct prl_error *reterr)
{
    char line[80];
    struct prl_allow row;
    int len = snprintf(line, sizeof line, "%.46s/%d *", value->host, value->bits);
    return prl_allow_parse(line, (size_t)len, &row)
               ? 0
               : BAD(option, "\"%.60s\": bits of the address lie beyond the prefix of %d", text,
                     value->bits);
}

int prl_value_allow(const char *option, const char *text, struct prl_value_allow *ret,
                    struct prl_error *reterr)
{
    enum { PORT_MAX = 65535 };
    const char *host;
    size_t len;
    unsigned port = 0;
    *ret = (struct prl_value_allow){0};
    const char *colon = split(text, &host, &len);
    bool good = len > 0 && len < sizeof ret->host;
    if (good)
        memcpy(ret->host, host, len);
    if (good && colon)
        good = *colon == ':' && parse_number(colon + 1, PORT_MAX, &port) && port > 0;
    ret->port = (uint16_t)port;
    if (good && take_network(ret))
        return check_prefix(option, text, ret, reterr);
    if (good && host == text && !memchr(text, '/', len) && take_name(ret))
        return 0;
    return BAD(option,
               "\"%.60s\" is not a name, address or network with an optional port: write for "
               "example example.org:443, 192.0.2.0/24 or [2001:db8::1]:80",
               text);
}
