/* owner.c: claims as bytes and back; see owner.h.
 * In, out: as there.  Never: trust in the bytes: a program may have written them.
 * Source: protobuf "Encoding", the rootlesscontainers convention. */
#include "fakeroot/owner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { VARINT_MAX = 10, TYPE_VARINT = 0 };

static size_t put_varint(unsigned char *buf, uint32_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        buf[n++] = (unsigned char)(value | 0x80);
    buf[n++] = (unsigned char)value;
    return n;
}

static size_t put_field(unsigned char *buf, unsigned number, uint32_t value)
{
    if (value == 0)
        return 0;
    buf[0] = (unsigned char)(number << 3 | TYPE_VARINT);
    return 1 + put_varint(buf + 1, value);
}

size_t prl_owner_encode(const struct prl_claim *claim, unsigned char buf[PRL_OWNER_BYTES])
{
    size_t n = put_field(buf, 1, claim->uid);
    return n + put_field(buf + n, 2, claim->gid);
}

/* Returns how many bytes it took, 0: malformed. */
static size_t get_varint(const unsigned char *bytes, size_t len, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < len && i < VARINT_MAX; i++) {
        *ret |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (!(bytes[i] & 0x80))
            return i + 1;
    }
    return 0;
}

int prl_owner_decode(const unsigned char *bytes, size_t len, struct prl_claim *ret)
{
    uint32_t fields[3] = {0};
    while (len > 0) {
        uint64_t key, value;
        size_t n = get_varint(bytes, len, &key);
        size_t m = n ? get_varint(bytes + n, len - n, &value) : 0;
        if (m == 0 || (key & 7) != TYPE_VARINT || value >= UINT32_MAX)
            return -EINVAL;
        if (key >> 3 == 1 || key >> 3 == 2)
            fields[key >> 3] = (uint32_t)value;
        bytes += n + m;
        len -= n + m;
    }
    ret->uid = fields[1];
    ret->gid = fields[2];
    return 0;
}

size_t prl_device_encode(const struct prl_claim *claim, char buf[PRL_DEVICE_BYTES])
{
    return (size_t)snprintf(buf, PRL_DEVICE_BYTES, "%c %u %u", claim->type, claim->major,
                            claim->minor);
}

int prl_device_decode(const char *bytes, size_t len, struct prl_claim *ret)
{
    char text[PRL_DEVICE_BYTES], type, more;
    unsigned major, minor;
    if (len >= sizeof text)
        return -EINVAL;
    memcpy(text, bytes, len);
    text[len] = '\0';
    if (sscanf(text, "%c %9u %9u%c", &type, &major, &minor, &more) != 3 ||
        (type != 'c' && type != 'b'))
        return -EINVAL;
    ret->type = type;
    ret->major = major;
    ret->minor = minor;
    return 0;
}
