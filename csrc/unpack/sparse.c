/* sparse.c: where the bytes of a file with holes belong.
 * In: a map in any of the four forms that exist.  Out: segments, or -EBADMSG.
 * Never: segments that overlap, go backwards or leave the file; more than a limit of them.
 * Source: "Storing Sparse Files" of the GNU tar manual. */
#include "unpack/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void prl_unpack_sparse_begin(struct prl_unpack_sparse *sparse, uint64_t size_bytes)
{
    struct prl_unpack_segment *segments = sparse->segments;
    size_t room = sparse->room;
    *sparse = (struct prl_unpack_sparse){
        .segments = segments, .room = room, .size_bytes = size_bytes};
}

static int add_piece(struct prl_unpack_sparse *sparse, uint64_t at, uint64_t len)
{
    uint64_t end = 0;
    if (sparse->len > 0)
        end = sparse->segments[sparse->len - 1].at + sparse->segments[sparse->len - 1].len;
    if (at < end || at > sparse->size_bytes || len > sparse->size_bytes - at ||
        sparse->len >= PRL_UNPACK_SEGMENTS_MAX)
        return -EBADMSG;
    if (sparse->len == sparse->room) {
        size_t room = sparse->room ? sparse->room * 2 : 16;
        void *more = realloc(sparse->segments, room * sizeof *sparse->segments);
        if (!more)
            return -ENOMEM;
        sparse->segments = more;
        sparse->room = room;
    }
    sparse->segments[sparse->len++] = (struct prl_unpack_segment){at, len};
    return 0;
}

int prl_unpack_sparse_plain(struct prl_unpack_sparse *sparse, uint64_t size_bytes)
{
    prl_unpack_sparse_begin(sparse, size_bytes);
    return add_piece(sparse, 0, size_bytes);
}

int prl_unpack_sparse_pairs(struct prl_unpack_sparse *sparse, const unsigned char *pairs,
                            unsigned n)
{
    for (unsigned i = 0; i < n; i++, pairs += 24) {
        int64_t at, len;
        if (pairs[0] == '\0' || pairs[12] == '\0')
            return 0;
        if (prl_unpack_number(pairs, 12, &at) < 0 || at < 0 ||
            prl_unpack_number(pairs + 12, 12, &len) < 0 || len < 0)
            return -EBADMSG;
        int r = add_piece(sparse, (uint64_t)at, (uint64_t)len);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Form 0.0: the same two keys again and again, so their order is what counts. */
static int add_records(struct prl_unpack_sparse *sparse, const struct prl_unpack_pax *pax)
{
    bool have_at = false;
    uint64_t at = 0, number;
    for (size_t i = 0; i < pax->records_len; i++) {
        const char *key = pax->text + pax->records[i].key_at;
        const char *value = pax->text + pax->records[i].value_at;
        bool is_at = strcmp(key, "GNU.sparse.offset") == 0;
        if (!is_at && strcmp(key, "GNU.sparse.numbytes") != 0)
            continue;
        if (is_at == have_at || !prl_unpack_digits(&value, &number) || *value)
            return -EBADMSG;
        int r = is_at ? 0 : add_piece(sparse, at, number);
        if (r < 0)
            return r;
        have_at = is_at;
        at = number;
    }
    return have_at ? -EBADMSG : 0;
}

int prl_unpack_sparse_pax(struct prl_unpack_sparse *sparse,
                          const struct prl_unpack_extended *extended)
{
    size_t list_len;
    const char *list = prl_unpack_pax_find(extended, "GNU.sparse.map", &list_len);
    uint64_t at, len;
    if (!list)
        return add_records(sparse, &extended->own);
    while (*list) { /* "OFFSET,LENGTH,OFFSET,LENGTH…" */
        if (!prl_unpack_digits(&list, &at) || *list++ != ',' || !prl_unpack_digits(&list, &len))
            return -EBADMSG;
        int r = add_piece(sparse, at, len);
        if (r < 0)
            return r;
        if (*list && *list++ != ',')
            return -EBADMSG;
    }
    return 0;
}

/* A number of the text has ended: the count, an offset or a length. */
static int text_number(struct prl_unpack_sparse *sparse)
{
    uint64_t number = sparse->number;
    if (!sparse->digits)
        return -EBADMSG;
    sparse->number = 0;
    sparse->digits = false;
    if (!sparse->counted) {
        sparse->counted = true;
        sparse->numbers = number * 2;
        return number > PRL_UNPACK_SEGMENTS_MAX ? -EBADMSG : 0;
    }
    if (sparse->numbers-- % 2 == 0) {
        sparse->at = number;
        return 0;
    }
    return add_piece(sparse, sparse->at, number);
}

int prl_unpack_sparse_text(struct prl_unpack_sparse *sparse, const unsigned char *block)
{
    for (unsigned i = 0; i < PRL_UNPACK_BLOCK; i++) {
        if (block[i] >= '0' && block[i] <= '9') {
            if (sparse->number > (INT64_MAX - 9) / 10)
                return -EBADMSG;
            sparse->number = sparse->number * 10 + (block[i] - '0');
            sparse->digits = true;
            continue;
        }
        if (block[i] != '\n')
            return -EBADMSG;
        int r = text_number(sparse);
        if (r < 0)
            return r;
        if (sparse->numbers == 0)
            return 1;
    }
    return 0;
}

uint64_t prl_unpack_sparse_total(const struct prl_unpack_sparse *sparse)
{
    uint64_t total = 0;
    for (size_t i = 0; i < sparse->len; i++)
        total += sparse->segments[i].len;
    return total;
}

uint64_t prl_unpack_sparse_next(const struct prl_unpack_sparse *sparse, size_t len,
                                size_t *ret_len)
{
    const struct prl_unpack_segment *segment = &sparse->segments[sparse->now];
    uint64_t room = segment->len - sparse->done;
    *ret_len = len < room ? len : (size_t)room;
    return segment->at + sparse->done;
}

void prl_unpack_sparse_advance(struct prl_unpack_sparse *sparse, size_t len)
{
    sparse->done += len;
    while (sparse->now < sparse->len && sparse->done == sparse->segments[sparse->now].len) {
        sparse->now++;
        sparse->done = 0;
    }
}
