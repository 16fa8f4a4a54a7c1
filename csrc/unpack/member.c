/* member.c: header, extended header and long names of one member → its entry.
 *
 * In: what was read before the body.  Out: the entry, the length of the body, the map's form.
 * Never: a name that was not cleaned, a kind that is not known, an extended value ignored that
 * would change how the archive is read.
 * The order of who wins: extended header, GNU's long names, the header itself. */
#include "unpack/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int bad(struct prl_error *reterr, const char *name, const char *what)
{
    char shown[PRL_UNPACK_SHOWN];
    return prl_failf(reterr, PRL_STAGE_LAYER, EBADMSG, "member", "the archive's member %s %s",
                     prl_unpack_path_show(name, shown), what);
}

/* Type letter → kind; -1: unknown.  'D' is GNU's directory with a list as its body, 'V' a
 * volume's label, 'A' and 'I' are Solaris' access lists and inode data. */
static int kind_of(char type)
{
    static const struct {
        char type;
        enum prl_unpack_kind kind;
    } kinds[] = {
        {'0', PRL_UNPACK_FILE},         {'7', PRL_UNPACK_FILE},
        {'S', PRL_UNPACK_FILE},         {'1', PRL_UNPACK_HARDLINK},
        {'2', PRL_UNPACK_SYMLINK},      {'3', PRL_UNPACK_CHAR},
        {'4', PRL_UNPACK_BLOCK_DEVICE}, {'5', PRL_UNPACK_DIRECTORY},
        {'D', PRL_UNPACK_DIRECTORY},    {'6', PRL_UNPACK_FIFO},
        {'V', PRL_UNPACK_NOTHING},      {'A', PRL_UNPACK_NOTHING},
        {'I', PRL_UNPACK_NOTHING},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == type)
            return (int)kinds[i].kind;
    return -1;
}

/* Only these have a body, whatever size their header says (as Go's archive/tar reads them). */
static bool has_body(char type)
{
    return strchr("07SDVAI", type) != NULL;
}

static int find_name(const struct prl_unpack_member *member, const char **ret,
                     struct prl_error *reterr)
{
    static const char *const keys[] = {"GNU.sparse.name", "path"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int r = prl_unpack_pax_text(&member->extended, keys[i], ret, reterr);
        if (r != 0)
            return r;
    }
    *ret = member->long_name ? member->long_name : member->header.name;
    return 0;
}

static int clean(const char *raw, char ret[PATH_MAX], struct prl_error *reterr)
{
    int r = prl_unpack_path_clean(raw, ret);
    if (r == -EBADMSG)
        return bad(reterr, raw, "leads out of the layer");
    return r < 0 ? bad(reterr, raw, "has a name that is too long") : 0;
}

static int read_path(struct prl_unpack_member *member, struct prl_unpack_entry *ret,
                     struct prl_error *reterr)
{
    const char *name = "";
    int r = find_name(member, &name, reterr);
    if (r < 0)
        return r;
    if (ret->kind == PRL_UNPACK_NOTHING)
        name = ".";
    if (!name[0])
        return bad(reterr, name, "has no name");
    bool slash = name[strlen(name) - 1] == '/';
    if (slash && ret->kind == PRL_UNPACK_FILE) { /* how v7 says directory */
        if (member->body_bytes > 0)
            return bad(reterr, name, "is a directory with content");
        ret->kind = PRL_UNPACK_DIRECTORY;
    }
    return clean(name, ret->path, reterr);
}

static int read_target(struct prl_unpack_member *member, struct prl_unpack_entry *ret,
                       struct prl_error *reterr)
{
    const char *target = member->long_link ? member->long_link : member->header.link;
    ret->target[0] = '\0';
    if (ret->kind != PRL_UNPACK_HARDLINK && ret->kind != PRL_UNPACK_SYMLINK)
        return 0;
    if (prl_unpack_pax_text(&member->extended, "linkpath", &target, reterr) < 0)
        return -EBADMSG;
    if (ret->kind == PRL_UNPACK_HARDLINK)
        return clean(target, ret->target, reterr);
    size_t len = strlen(target);
    if (len >= PATH_MAX)
        return bad(reterr, ret->path, "is a link whose text is too long");
    memcpy(ret->target, target, len + 1);
    return 0;
}

/* The length of the body, and the map when the file has holes. */
static int read_size(struct prl_unpack_member *member, struct prl_unpack_entry *ret,
                     struct prl_error *reterr)
{
    size_t len;
    const struct prl_unpack_extended *extended = &member->extended;
    uint64_t major = 0, size = member->header.size_bytes;
    int r = prl_unpack_pax_number(extended, "size", INT64_MAX, &size, reterr);
    if (r >= 0)
        r = prl_unpack_pax_number(extended, "GNU.sparse.major", INT64_MAX, &major, reterr);
    if (r < 0)
        return r;
    member->body_bytes = has_body(member->header.type) ? size : 0;
    ret->size_bytes = ret->kind == PRL_UNPACK_FILE ? member->body_bytes : 0;
    member->map = PRL_UNPACK_MAP_NONE;
    if (ret->kind != PRL_UNPACK_FILE)
        return 0;
    if (member->header.type == 'S')
        member->map = PRL_UNPACK_MAP_HEADER;
    else if (major == 1)
        member->map = PRL_UNPACK_MAP_BODY;
    else if (prl_unpack_pax_find(extended, "GNU.sparse.map", &len) ||
             prl_unpack_pax_find(extended, "GNU.sparse.numblocks", &len))
        member->map = PRL_UNPACK_MAP_PAX;
    if (major > 1)
        return bad(reterr, member->header.name, "has holes in a form that is not known");
    const char *key =
        member->map == PRL_UNPACK_MAP_BODY ? "GNU.sparse.realsize" : "GNU.sparse.size";
    if (member->map == PRL_UNPACK_MAP_NONE)
        return 0;
    r = prl_unpack_pax_number(extended, key, INT64_MAX, &ret->size_bytes, reterr);
    return r < 0 ? r : 0;
}

static int check_charset(const struct prl_unpack_extended *extended, struct prl_error *reterr)
{
    const char *charset = NULL;
    int r = prl_unpack_pax_text(extended, "hdrcharset", &charset, reterr);
    if (r <= 0 || strcmp(charset, "BINARY") == 0 ||
        strcmp(charset, "ISO-IR 10646 2000 UTF-8") == 0)
        return r < 0 ? r : 0;
    return prl_failf(reterr, PRL_STAGE_LAYER, EBADMSG, "pax",
                     "the archive writes its names in a character set that is not known");
}

int prl_unpack_member_read(struct prl_unpack_member *member, struct prl_unpack_entry *ret,
                           struct prl_error *reterr)
{
    int kind = kind_of(member->header.type);
    if (kind < 0)
        return prl_failf(reterr, PRL_STAGE_LAYER, EBADMSG, "member",
                         "the archive holds a member of a type that is not known: 0x%02x",
                         (unsigned char)member->header.type);
    ret->kind = (enum prl_unpack_kind)kind;
    ret->extended = &member->extended;
    int r = check_charset(&member->extended, reterr);
    if (r >= 0)
        r = read_size(member, ret, reterr);
    if (r >= 0)
        r = read_path(member, ret, reterr);
    if (r >= 0)
        r = read_target(member, ret, reterr);
    if (r < 0)
        return r;
    const struct prl_unpack_extended *extended = &member->extended;
    /* 2^32-1 means "no id" to the kernel. */
    uint64_t uid = member->header.uid, gid = member->header.gid;
    r = prl_unpack_pax_number(extended, "uid", UINT32_MAX, &uid, reterr);
    if (r >= 0)
        r = prl_unpack_pax_number(extended, "gid", UINT32_MAX, &gid, reterr);
    ret->mtime = (struct timespec){.tv_sec = member->header.mtime_s};
    if (r >= 0)
        r = prl_unpack_pax_time(extended, "mtime", &ret->mtime, reterr);
    if (r < 0)
        return r;
    if (uid == UINT32_MAX || gid == UINT32_MAX)
        return bad(reterr, ret->path, "has an owner that cannot exist");
    ret->uid = (uint32_t)uid;
    ret->gid = (uint32_t)gid;
    ret->mode = member->header.mode & 07777;
    ret->major = member->header.major;
    ret->minor = member->header.minor;
    return 0;
}

void prl_unpack_member_next(struct prl_unpack_member *member)
{
    prl_unpack_pax_clear(&member->extended.own);
    free(member->long_name);
    free(member->long_link);
    member->long_name = member->long_link = NULL;
}

void prl_unpack_member_free(struct prl_unpack_member *member)
{
    prl_unpack_member_next(member);
    prl_unpack_pax_free(&member->extended.own);
    prl_unpack_pax_free(&member->extended.global);
}
