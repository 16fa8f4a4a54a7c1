/* xattr.c: extended attributes of a member, and the one that remembers its owner.
 *
 * In: records SCHILY.xattr.NAME (bytes) and LIBARCHIVE.xattr.NAME (base64, the name with %XX).
 * Out: user.* set through the descriptor; security.capability handed back, since only a
 * namespace with ids can set it; all others counted.
 * Never: user.overlay.* from an archive, which would be an order to overlayfs, nor a claim
 * about an owner beside the member's own.
 * Source: star(5), libarchive's archive_write_set_format_pax.c as documentation of the names;
 * the rootlesscontainers convention: a protobuf message {uint32 uid = 1; uint32 gid = 2}. */
#include "unpack/parts.h"

#include "base/own.h"
#include "unpack/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define SCHILY     "SCHILY.xattr."
#define LIBARCHIVE "LIBARCHIVE.xattr."
#define ACL_TEXT   "SCHILY.acl."
#define ACL_BINARY "system.posix_acl_"

/* A global header's attributes are set on every member: bytes that cost one step of work. */
enum { WORK_BYTES = 1024 };

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int base64_digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* In place: the result is never longer.  Returns its length, -EBADMSG. */
static ssize_t decode_base64(char *text, size_t len)
{
    unsigned bits = 0, value = 0;
    size_t out = 0;
    while (len > 0 && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return -EBADMSG;
        value = (value << 6 | (unsigned)digit) & 0xFFFF;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            text[out++] = (char)(value >> bits);
        }
    }
    return (ssize_t)out;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

/* The attribute's name of a record that holds one, else NULL; LIBARCHIVE's are decoded. */
static const char *decode(const struct prl_unpack_pax *pax, struct prl_unpack_record *record)
{
    char *key = pax->text + record->key_at;
    if (record->value_len == 0)
        return NULL;
    if (starts(key, SCHILY))
        return key + strlen(SCHILY);
    if (!starts(key, LIBARCHIVE))
        return NULL;
    ssize_t len = decode_base64(pax->text + record->value_at, record->value_len);
    /* In place; a "%" that begins no number stays. */
    char *text = key + strlen(LIBARCHIVE);
    char *out = text;
    for (const char *p = text; *p; out++) {
        int high = *p == '%' ? hex_digit(p[1]) : -1;
        int low = high >= 0 ? hex_digit(p[2]) : -1;
        *out = low >= 0 ? (char)(high << 4 | low) : *p;
        p += low >= 0 ? 3 : 1;
    }
    *out = '\0';
    /* Decoded once: from now on it reads as the plain form. */
    char *name = key + strlen(LIBARCHIVE) - strlen(SCHILY);
    memcpy(name, SCHILY, strlen(SCHILY));
    record->key_at = (size_t)(name - pax->text);
    record->value_len = len < 0 ? 0 : (size_t)len;
    return name + strlen(SCHILY);
}

/* Ours, overlayfs's or fuse-overlayfs's (whiteouts, and owners and modes that it believes): an
 * archive has no say in them. */
static bool reserved(const char *name)
{
    static const char *const prefixes[] = {"user.overlay.", "user.fuseoverlayfs.",
                                           "user.containers."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (starts(name, prefixes[i]))
            return true;
    return strcmp(name, PRL_UNPACK_OWNER_XATTR) == 0;
}

static bool unsupported(int errnum)
{
    return errnum == EOPNOTSUPP || errnum == EPERM || errnum == ENOSYS;
}

static int set(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry, int fd,
               const char *name, const struct prl_unpack_record *record)
{
    const struct prl_unpack_extended *extended = entry->extended;
    bool own = record >= extended->own.records &&
               record < extended->own.records + extended->own.records_len;
    const char *text = own ? extended->own.text : extended->global.text;
    if (prl_unpack_tree_spend(tree, 1 + record->value_len / WORK_BYTES) < 0)
        return prl_unpack_tree_refuse(tree, entry->path, PRL_UNPACK_TOO_MUCH_WORK);
    if (fsetxattr(fd, name, text + record->value_at, record->value_len, 0) == 0)
        return 0;
    if (unsupported(errno))
        return 1;
    return prl_unpack_tree_fail(tree, "set an attribute of", entry->path);
}

/* An access list is handed back too: it names ids, which only a namespace has. A list that says
 * the same as the mode does not count: the kernel's form of three entries, a text without a
 * mask. */
static bool take_acl(const struct prl_unpack_pax *pax, const struct prl_unpack_record *record,
                     const char *name, struct prl_unpack_xattrs *ret)
{
    enum { TRIVIAL_BYTES = 4 + 3 * 8 };
    const char *key = pax->text + record->key_at, *value = pax->text + record->value_at;
    bool text = starts(key, ACL_TEXT);
    if (!text && !(name && starts(name, ACL_BINARY)))
        return false;
    const char *kind = text ? key + strlen(ACL_TEXT) : name + strlen(ACL_BINARY);
    bool access = strcmp(kind, "access") == 0;
    if (!access && strcmp(kind, "default") != 0)
        return false;
    bool trivial = text ? !strstr(value, "mask") : record->value_len <= TRIVIAL_BYTES;
    if (record->value_len && !(access && trivial))
        *(access ? &ret->access : &ret->inherited) = (struct prl_unpack_acl){
            .value = (const unsigned char *)value, .len = record->value_len, .text = text};
    return true;
}

static int apply_list(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                      int fd, const struct prl_unpack_pax *pax, struct prl_unpack_xattrs *ret)
{
    for (size_t i = 0; i < pax->records_len; i++) {
        struct prl_unpack_record *record = &pax->records[i];
        const char *name = decode(pax, record);
        if (take_acl(pax, record, name, ret))
            continue;
        if (!name || record->value_len == 0)
            continue;
        int r = 1;
        if (strcmp(name, "security.capability") == 0 && entry->kind == PRL_UNPACK_FILE) {
            ret->file_capability = (const unsigned char *)pax->text + record->value_at;
            ret->file_capability_len = record->value_len;
            r = 0;
        } else if (fd >= 0 && starts(name, "user.") && !reserved(name)) {
            r = set(tree, entry, fd, name, record);
        }
        if (r < 0)
            return r;
        ret->skipped += (uint64_t)r;
    }
    return 0;
}

int prl_unpack_xattr_apply(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int fd, struct prl_unpack_xattrs *ret)
{
    *ret = (struct prl_unpack_xattrs){.skipped = ret->skipped};
    int r = apply_list(tree, entry, fd, &entry->extended->global, ret);
    return r < 0 ? r : apply_list(tree, entry, fd, &entry->extended->own, ret);
}

/* One field of a protobuf message: its key, then seven bits a byte, lowest first. */
static size_t put_varint(unsigned char *to, unsigned field, uint32_t value)
{
    size_t len = 0;
    if (value == 0) /* proto3 leaves a zero out */
        return 0;
    to[len++] = (unsigned char)(field << 3);
    for (; value >= 0x80; value >>= 7)
        to[len++] = (unsigned char)(value | 0x80);
    to[len++] = (unsigned char)value;
    return len;
}

int prl_unpack_xattr_owner(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int fd, bool known)
{
    unsigned char value[16];
    size_t len = put_varint(value, 1, entry->uid);
    len += put_varint(value + len, 2, entry->gid);
    if (tree->no_xattrs || (len == 0 && !known))
        return 0;
    int r = len ? fsetxattr(fd, PRL_UNPACK_OWNER_XATTR, value, len, 0)
                : fremovexattr(fd, PRL_UNPACK_OWNER_XATTR);
    if (r == 0 || errno == ENODATA)
        return 0;
    if (!unsupported(errno))
        return prl_unpack_tree_fail(tree, "remember the owner of", entry->path);
    tree->no_xattrs = true; /* the list `owners` has it all the same */
    return 0;
}
