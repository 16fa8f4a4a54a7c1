/* header.c: one header block of 512 bytes → its fields.
 * In: a block of v7, ustar or GNU form.  Out: checked fields, or EBADMSG.
 * Never: trusting a block whose checksum is wrong, a text without an end.
 * Source: tar(5); "Basic Tar Format" of the GNU tar manual. */
#include "unpack/parts.h"

#include <errno.h>
#include <string.h>

/* Where the fields lie: offset and length. */
struct field {
    unsigned at, len;
};
static const struct field NAME = {0, 100}, MODE = {100, 8}, UID = {108, 8}, GID = {116, 8},
                          SIZE = {124, 12}, MTIME = {136, 12}, CHECKSUM = {148, 8},
                          LINK = {157, 100}, MAJOR = {329, 8}, MINOR = {337, 8},
                          PREFIX = {345, 155};
enum { AT_TYPE = 156, AT_MAGIC = 257 };

int prl_unpack_number(const unsigned char *field, size_t len, int64_t *ret)
{
    if (len > 0 && field[0] & 0x80) {
        /* Two's complement, most significant byte first; the first bit only marks the form. */
        bool negative = field[0] & 0x40;
        uint64_t value = negative ? ~0ULL : 0;
        for (size_t i = 0; i < len; i++) {
            unsigned byte = i ? field[i] : (field[0] & 0x7F) | (negative ? 0x80 : 0);
            unsigned top = (unsigned)(value >> 55);
            if (top !=
                (negative ? 0x1FFU : 0)) /* the next shift would lose a digit or the sign */
                return -EBADMSG;
            value = value << 8 | byte;
        }
        *ret = (int64_t)value;
        return 0;
    }
    size_t i = 0;
    while (i < len && (field[i] == ' ' || field[i] == '\0'))
        i++;
    uint64_t value = 0;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
        if (value >> 60)
            return -EBADMSG;
        value = value << 3 | (unsigned)(field[i] - '0');
    }
    for (; i < len; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return -EBADMSG;
    *ret = (int64_t)value;
    return 0;
}

/* The sum of all bytes with the checksum's own read as spaces; some writers added up signed
 * bytes. */
static bool checksum_holds(const unsigned char *block)
{
    int64_t expected, sum = 0, sum_signed = 0;
    if (prl_unpack_number(block + CHECKSUM.at, CHECKSUM.len, &expected) < 0)
        return false;
    for (unsigned i = 0; i < PRL_UNPACK_BLOCK; i++) {
        bool own = i >= CHECKSUM.at && i < CHECKSUM.at + CHECKSUM.len;
        sum += own ? ' ' : block[i];
        sum_signed += own ? ' ' : (signed char)block[i];
    }
    return expected == sum || expected == sum_signed;
}

static bool all_zero(const unsigned char *block)
{
    for (unsigned i = 0; i < PRL_UNPACK_BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

/* A text field that need not end with NUL; returns its length. */
static size_t copy_text(const unsigned char *block, struct field field, char *to)
{
    size_t len = strnlen((const char *)block + field.at, field.len);
    memcpy(to, block + field.at, len);
    to[len] = '\0';
    return len;
}

static int bad(struct prl_error *reterr, const char *what)
{
    return prl_failf(reterr, PRL_STAGE_LAYER, EBADMSG, "header",
                     "the archive is damaged: a header with %s", what);
}

static int parse_u32(const unsigned char *block, struct field field, uint32_t *ret)
{
    int64_t value;
    int r = prl_unpack_number(block + field.at, field.len, &value);
    if (r < 0 || value < 0 || value > UINT32_MAX)
        return -EBADMSG;
    *ret = (uint32_t)value;
    return 0;
}

static int parse_numbers(const unsigned char *block, struct prl_unpack_header *ret,
                         struct prl_error *reterr)
{
    int64_t size;
    if (parse_u32(block, MODE, &ret->mode) < 0)
        return bad(reterr, "a mode that is no number");
    if (parse_u32(block, UID, &ret->uid) < 0 || parse_u32(block, GID, &ret->gid) < 0)
        return bad(reterr, "an owner that is no number of 32 bits");
    if (prl_unpack_number(block + SIZE.at, SIZE.len, &size) < 0 || size < 0)
        return bad(reterr, "a size that is no number");
    if (prl_unpack_number(block + MTIME.at, MTIME.len, &ret->mtime_s) < 0)
        return bad(reterr, "a time that is no number");
    ret->size_bytes = (uint64_t)size;
    return 0;
}

int prl_unpack_header_parse(const unsigned char block[PRL_UNPACK_BLOCK],
                            struct prl_unpack_header *ret, struct prl_error *reterr)
{
    if (block[0] == '\0' && all_zero(block))
        return 1;
    if (!checksum_holds(block))
        return bad(reterr, "a wrong checksum, or no archive at all");
    int r = parse_numbers(block, ret, reterr);
    if (r < 0)
        return r;
    ret->type = block[AT_TYPE] ? (char)block[AT_TYPE] : '0';
    ret->major = ret->minor = 0;
    bool device = ret->type == '3' || ret->type == '4';
    if (device &&
        (parse_u32(block, MAJOR, &ret->major) < 0 || parse_u32(block, MINOR, &ret->minor) < 0))
        return bad(reterr, "a device that is no number");
    /* The name, with the prefix that only ustar has: GNU keeps times and maps in its place. */
    size_t len = 0;
    if (memcmp(block + AT_MAGIC, "ustar\0", 6) == 0) {
        len = copy_text(block, PREFIX, ret->name);
        if (len > 0)
            ret->name[len++] = '/';
    }
    copy_text(block, NAME, ret->name + len);
    copy_text(block, LINK, ret->link);
    return 0;
}
