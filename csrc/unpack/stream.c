/* stream.c: a layer's plain tar → a directory tree, pushed in as it comes.
 *
 * In: the archive's bytes in pieces of any size.  Out: the tree and its lists; see stream.h.
 * Never: a wait, a read, a piece kept: what a piece holds of a file is written at once.
 *
 * The machine has few states: a block of 512 bytes is gathered (a header, more of a map), or a
 * body passes through (of an extended header, of a file, of what is skipped). */
#include "unpack/stream.h"

#include "base/own.h"
#include "unpack/parts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The body of an extended header or a long name; real ones have a few hundred bytes. */
enum { TEXT_MAX_BYTES = 4 << 20, GLOBAL_RECORDS_MAX = 256 };

enum state {
    AT_HEADER,
    AT_TEXT,      /* body of 'x', 'g', 'L', 'K' */
    AT_MAP_BLOCK, /* old GNU: the map goes on */
    AT_MAP_TEXT,  /* 1.0: the map comes first */
    AT_DATA,      /* body of a file, or of what nobody wants */
    AT_PADDING,   /* up to the next block */
    AT_END,
};

struct prl_unpack {
    enum state state;
    unsigned char block[PRL_UNPACK_BLOCK];
    size_t block_len;
    uint64_t body_left; /* bytes of the body */
    size_t padding;     /* after it */
    char *text;         /* of AT_TEXT */
    size_t text_len;
    int fd; /* the file whose content comes; -1: none */
    struct prl_unpack_sparse sparse;
    struct prl_unpack_member member;
    struct prl_unpack_entry entry;
    struct prl_unpack_tree tree;
    struct prl_unpack_lists lists;
    struct prl_unpack_limits limits;
    uint64_t entries, size_bytes;
    bool failed;
};

static int bad(struct prl_unpack *u, const char *what)
{
    return prl_failf(u->tree.error, PRL_STAGE_LAYER, EBADMSG, "tar", "%s", what);
}

static int out_of_memory(struct prl_unpack *u)
{
    return prl_fail_with(u->tree.error, PRL_STAGE_LAYER, ENOMEM, "malloc", "layer");
}

static void init_list(struct prl_unpack_list *list, const char *name, int layer_fd)
{
    list->name = name;
    list->layer_fd = layer_fd;
    list->fd = -1;
}

static int open_tree(int layer_fd, struct prl_error *reterr)
{
    if (mkdirat(layer_fd, "tree", 0700) < 0 && errno != EEXIST)
        return prl_fail(reterr, PRL_STAGE_LAYER, "mkdir", "tree");
    int fd = openat(layer_fd, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? prl_fail(reterr, PRL_STAGE_LAYER, "openat", "tree") : fd;
}

int prl_unpack_new(int layer_fd, const struct prl_unpack_limits *limits,
                   struct prl_unpack **ret, struct prl_error *reterr)
{
    _cleanup_close_ int tree_fd = open_tree(layer_fd, reterr);
    if (tree_fd < 0)
        return tree_fd;
    struct prl_unpack *u = calloc(1, sizeof *u);
    if (!u)
        return prl_fail_with(reterr, PRL_STAGE_LAYER, ENOMEM, "malloc", "layer");
    u->fd = -1;
    u->limits = *limits;
    u->tree.work_left = PRL_UNPACK_WORK_FREE;
    init_list(&u->lists.owners, "owners", layer_fd);
    init_list(&u->lists.devices, "devices", layer_fd);
    init_list(&u->lists.capabilities, "capabilities", layer_fd);
    init_list(&u->lists.acls, "acls", layer_fd);
    u->tree.root_fd = steal_fd(&tree_fd);
    /* A root that the archive does not name; its own member, when there is one, comes later. */
    int r = prl_unpack_dirs_note(&u->tree.dirs, "", 0755, NULL);
    if (r < 0) {
        prl_unpack_free(u);
        return prl_fail_with(reterr, PRL_STAGE_LAYER, -r, "malloc", "layer");
    }
    *ret = u;
    return 0;
}

void prl_unpack_free(struct prl_unpack *u)
{
    if (!u)
        return;
    prl_close_p(&u->fd);
    prl_close_p(&u->lists.owners.fd);
    prl_close_p(&u->lists.devices.fd);
    prl_close_p(&u->lists.capabilities.fd);
    prl_close_p(&u->lists.acls.fd);
    prl_unpack_member_free(&u->member);
    prl_unpack_tree_free(&u->tree);
    free(u->lists.known.text);
    free(u->sparse.segments);
    free(u->text);
    free(u);
}

/* A body of n bytes comes next; an empty one is over at once. */
static void expect_body(struct prl_unpack *u, enum state state, uint64_t n)
{
    u->body_left = n;
    u->padding = (size_t)(-n & (PRL_UNPACK_BLOCK - 1));
    u->state = state;
}

static int end_text(struct prl_unpack *u)
{
    struct prl_unpack_member *member = &u->member;
    char type = member->header.type;
    u->text[u->text_len] = '\0';
    if (type == 'L' || type == 'K') {
        char **name = type == 'L' ? &member->long_name : &member->long_link;
        free(*name);
        *name = steal_ptr(&u->text);
        return 0;
    }
    bool global = type == 'g';
    struct prl_unpack_pax *pax = global ? &member->extended.global : &member->extended.own;
    if (pax->text_len + u->text_len > TEXT_MAX_BYTES)
        return bad(u, "the archive is damaged: extended headers beyond measure");
    int r = prl_unpack_pax_add(pax, u->text, u->text_len, u->tree.error);
    /* What a global header may say, since it would otherwise change how the archive is read. */
    static const char *const own[] = {"path", "linkpath", "size", "GNU.sparse."};
    if (r < 0 || !global)
        return r;
    if (pax->records_len > GLOBAL_RECORDS_MAX)
        return bad(u, "the archive has more global records than anybody writes");
    for (size_t i = 0; i < pax->records_len; i++)
        for (size_t k = 0; k < sizeof own / sizeof *own; k++) {
            const char *key = pax->text + pax->records[i].key_at;
            bool prefix = own[k][strlen(own[k]) - 1] == '.';
            if (prefix ? strncmp(key, own[k], strlen(own[k])) == 0 : strcmp(key, own[k]) == 0)
                return bad(u, "the archive gives all its members one name or size");
        }
    return 0;
}

/* The map is complete: its segments are what the rest of the body holds. */
static int begin_data(struct prl_unpack *u)
{
    if (u->fd >= 0 || u->entry.kind == PRL_UNPACK_FILE) {
        if (prl_unpack_sparse_total(&u->sparse) != u->body_left)
            return bad(u,
                       "the archive is damaged: a file's holes and its content do not agree");
        prl_unpack_sparse_advance(&u->sparse, 0); /* over empty segments */
    }
    u->state = AT_DATA;
    return 0;
}

static int count(struct prl_unpack *u)
{
    if (++u->entries > u->limits.entries)
        return bad(u, "the archive holds more members than the limit allows");
    if (u->entry.size_bytes > u->limits.size_bytes - u->size_bytes)
        return bad(u, "the archive's files are larger together than the limit allows");
    u->size_bytes += u->entry.size_bytes;
    prl_unpack_tree_allow_member(&u->tree);
    return 0;
}

/* Old GNU: up to four pairs, whether more follow, and the file's size. */
static int begin_header_map(struct prl_unpack *u)
{
    enum { AT_PAIRS = 386, PAIRS = 4, AT_MORE = 482, AT_SIZE = 483 };
    int64_t size;
    if (prl_unpack_number(u->block + AT_SIZE, 12, &size) < 0 || size < 0)
        return -EBADMSG;
    u->entry.size_bytes = (uint64_t)size;
    prl_unpack_sparse_begin(&u->sparse, u->entry.size_bytes);
    int r = prl_unpack_sparse_pairs(&u->sparse, u->block + AT_PAIRS, PAIRS);
    return r < 0 ? r : u->block[AT_MORE] != 0;
}

/* Read as much of the map as the headers hold.  Returns the state that follows. */
static int begin_map(struct prl_unpack *u)
{
    int r = 0;
    switch (u->member.map) {
    case PRL_UNPACK_MAP_NONE:
        r = prl_unpack_sparse_plain(&u->sparse, u->entry.size_bytes);
        return r < 0 ? r : AT_DATA;
    case PRL_UNPACK_MAP_HEADER:
        r = begin_header_map(u);
        return r < 0 ? r : r ? AT_MAP_BLOCK : AT_DATA;
    case PRL_UNPACK_MAP_PAX:
        prl_unpack_sparse_begin(&u->sparse, u->entry.size_bytes);
        r = prl_unpack_sparse_pax(&u->sparse, &u->member.extended);
        return r < 0 ? r : AT_DATA;
    case PRL_UNPACK_MAP_BODY:
        prl_unpack_sparse_begin(&u->sparse, u->entry.size_bytes);
        return AT_MAP_TEXT;
    }
    return AT_DATA;
}

static int bad_map(struct prl_unpack *u, int r)
{
    return r == -ENOMEM ? out_of_memory(u) : bad(u, "the archive is damaged: a map of holes");
}

static int begin_member(struct prl_unpack *u)
{
    int r = prl_unpack_member_read(&u->member, &u->entry, u->tree.error);
    if (r < 0)
        return r;
    int state = begin_map(u);
    if (state < 0)
        return bad_map(u, state);
    r = count(u);
    if (r >= 0)
        r = prl_unpack_place_entry(&u->tree, &u->entry, &u->lists, &u->fd);
    if (r < 0)
        return r;
    expect_body(u, (enum state)state, u->member.body_bytes);
    return state == AT_DATA ? begin_data(u) : 0;
}

static int end_member(struct prl_unpack *u)
{
    int r = 0;
    const struct prl_unpack_sparse *sparse = &u->sparse;
    if (u->fd >= 0 && u->member.map != PRL_UNPACK_MAP_NONE &&
        ftruncate(u->fd, (off_t)sparse->size_bytes) < 0)
        return prl_unpack_tree_fail(&u->tree, "set the size of", u->entry.path);
    if (u->fd >= 0)
        r = prl_unpack_place_close(&u->tree, &u->entry, &u->fd);
    prl_unpack_member_next(&u->member);
    return r;
}

static int on_header(struct prl_unpack *u)
{
    int r = prl_unpack_header_parse(u->block, &u->member.header, u->tree.error);
    if (r < 0)
        return r;
    if (r == 1) {
        u->state = AT_END;
        return 0;
    }
    char *type = &u->member.header.type;
    if (*type == 'X') /* Solaris' letter for the same */
        *type = 'x';
    if (!strchr("xgLK", *type))
        return begin_member(u);
    uint64_t len = u->member.header.size_bytes;
    if (len == 0 || len > TEXT_MAX_BYTES)
        return bad(u, "the archive is damaged: an extended header without or beyond measure");
    free(u->text);
    u->text = malloc((size_t)len + 1);
    if (!u->text)
        return out_of_memory(u);
    u->text_len = 0;
    expect_body(u, AT_TEXT, len);
    return 0;
}

static int on_map_block(struct prl_unpack *u)
{
    enum { PAIRS = 21, AT_MORE = 504 };
    int r = prl_unpack_sparse_pairs(&u->sparse, u->block, PAIRS);
    if (r < 0)
        return bad_map(u, r);
    return u->block[AT_MORE] ? 0 : begin_data(u);
}

static int on_map_text(struct prl_unpack *u)
{
    if (u->body_left < PRL_UNPACK_BLOCK)
        return bad(u, "the archive is damaged: a map of holes without an end");
    u->body_left -= PRL_UNPACK_BLOCK;
    int r = prl_unpack_sparse_text(&u->sparse, u->block);
    if (r < 0)
        return bad_map(u, r);
    return r ? begin_data(u) : 0;
}

static int on_block(struct prl_unpack *u)
{
    if (u->state == AT_HEADER)
        return on_header(u);
    return u->state == AT_MAP_BLOCK ? on_map_block(u) : on_map_text(u);
}

/* Gather 512 bytes.  Returns how many were taken. */
static ssize_t take_block(struct prl_unpack *u, const unsigned char *data, size_t len)
{
    size_t n = PRL_UNPACK_BLOCK - u->block_len;
    if (n > len)
        n = len;
    memcpy(u->block + u->block_len, data, n);
    u->block_len += n;
    if (u->block_len < PRL_UNPACK_BLOCK)
        return (ssize_t)n;
    u->block_len = 0;
    int r = on_block(u);
    return r < 0 ? r : (ssize_t)n;
}

static int write_data(struct prl_unpack *u, const unsigned char *data, size_t len)
{
    while (len > 0) {
        size_t n;
        uint64_t at = prl_unpack_sparse_next(&u->sparse, len, &n);
        ssize_t wrote = pwrite(u->fd, data, n, (off_t)at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return prl_unpack_tree_fail(&u->tree, "write", u->entry.path);
        prl_unpack_sparse_advance(&u->sparse, (size_t)wrote);
        data += wrote;
        len -= (size_t)wrote;
    }
    return 0;
}

static ssize_t take_body(struct prl_unpack *u, const unsigned char *data, size_t len)
{
    size_t n = len < u->body_left ? len : (size_t)u->body_left;
    if (u->state == AT_TEXT) {
        memcpy(u->text + u->text_len, data, n);
        u->text_len += n;
    } else if (u->fd >= 0) {
        int r = write_data(u, data, n);
        if (r < 0)
            return r;
    }
    u->body_left -= n;
    return (ssize_t)n;
}

static ssize_t take_padding(struct prl_unpack *u, size_t len)
{
    size_t n = len < u->padding ? len : u->padding;
    u->padding -= n;
    if (u->padding == 0)
        u->state = AT_HEADER;
    return (ssize_t)n;
}

/* A body is over: what belonged to it is finished before anything else is read. */
static int settle(struct prl_unpack *u)
{
    if ((u->state != AT_TEXT && u->state != AT_DATA) || u->body_left > 0)
        return 0;
    int r = u->state == AT_TEXT ? end_text(u) : end_member(u);
    u->state = u->padding ? AT_PADDING : AT_HEADER;
    return r;
}

static int feed(struct prl_unpack *u, const unsigned char *data, size_t len)
{
    while (len > 0 && u->state != AT_END) {
        ssize_t n;
        if (u->state == AT_TEXT || u->state == AT_DATA)
            n = take_body(u, data, len);
        else if (u->state == AT_PADDING)
            n = take_padding(u, len);
        else
            n = take_block(u, data, len);
        if (n < 0)
            return (int)n;
        int r = settle(u);
        if (r < 0)
            return r;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int prl_unpack_feed(struct prl_unpack *u, const void *data, size_t len,
                    struct prl_error *reterr)
{
    u->tree.error = reterr;
    if (u->failed)
        return bad(u, "the archive was refused before");
    int r = feed(u, data, len);
    u->failed = r < 0;
    return r;
}

/* The archive may end here: after its closing blocks, or after a whole member. The padding
 * after the last body may be missing too (umoci writes it so, Go's archive/tar reads it), but
 * an extended header or a long name is half a member. */
static bool may_end(const struct prl_unpack *u)
{
    const struct prl_unpack_member *member = &u->member;
    if (u->state == AT_END)
        return true;
    if (member->extended.own.records_len > 0 || member->long_name || member->long_link)
        return false;
    return u->state == AT_PADDING || (u->state == AT_HEADER && u->block_len == 0);
}

int prl_unpack_end(struct prl_unpack *u, struct prl_unpack_summary *ret,
                   struct prl_error *reterr)
{
    u->tree.error = reterr;
    if (u->failed)
        return bad(u, "the archive was refused before");
    u->failed = true; /* nothing may follow */
    if (!may_end(u))
        return bad(u, "the archive ends in the middle of a member");
    int r = prl_unpack_list_finish(&u->lists.owners, reterr);
    if (r >= 0)
        r = prl_unpack_list_finish(&u->lists.devices, reterr);
    if (r >= 0)
        r = prl_unpack_list_finish(&u->lists.capabilities, reterr);
    if (r >= 0)
        r = prl_unpack_list_finish(&u->lists.acls, reterr);
    if (r < 0)
        return r;
    *ret = (struct prl_unpack_summary){
        .entries = u->entries,
        .size_bytes = u->size_bytes,
        .owners = u->lists.owners.lines,
        .devices = u->lists.devices.lines,
        .capabilities = u->lists.capabilities.lines,
        .xattrs_skipped = u->lists.xattrs_skipped,
        .replaced = u->tree.replaced,
    };
    return 0;
}

int prl_unpack_seal(struct prl_unpack *u, struct prl_error *reterr)
{
    return prl_unpack_dirs_apply(&u->tree.dirs, u->tree.root_fd, reterr);
}
