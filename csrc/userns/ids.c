/* ids.c: ranges of ids and the maps made of them; see ids.h.
 * In, out: as there.  Never: a file. */
#include "userns/ids.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Begin and end (behind the last) of what is left of a range. */
static int add_between(struct prl_ids *ids, uint64_t begin, uint64_t end)
{
    for (size_t i = 0; i < ids->len; i++) {
        uint64_t low = ids->ranges[i].first, high = low + ids->ranges[i].count;
        if (begin >= high || end <= low)
            continue;
        int r = begin < low ? add_between(ids, begin, low) : 0;
        return r == 0 && end > high ? add_between(ids, high, end) : r;
    }
    if (ids->len == PRL_ID_RANGES)
        return -E2BIG;
    ids->ranges[ids->len++] = (struct prl_id_range){(uint32_t)begin, (uint32_t)(end - begin)};
    return 0;
}

int prl_ids_add(struct prl_ids *ids, uint64_t first, uint64_t count)
{
    if (count == 0)
        return 0;
    if (first >= UINT32_MAX || count > UINT32_MAX - first)
        return -ERANGE;
    return add_between(ids, first, first + count);
}

static int read_number(const char **at, uint64_t *ret)
{
    char *end;
    if (!isdigit((unsigned char)**at))
        return -EINVAL;
    errno = 0;
    *ret = strtoull(*at, &end, 10);
    *at = end;
    return errno ? -EINVAL : 0;
}

int prl_ids_parse(const char *text, uint32_t own, struct prl_ids *ret)
{
    uint64_t first, count;
    ret->len = 0;
    int r = prl_ids_add(ret, own, 1);
    for (const char *at = text; r == 0; at++) {
        r = read_number(&at, &first);
        if (r == 0 && *at++ != ' ')
            r = -EINVAL;
        if (r == 0)
            r = read_number(&at, &count);
        if (r == 0)
            r = prl_ids_add(ret, first, count);
        if (r == 0 && *at != ',' && *at)
            r = -EINVAL;
        if (r < 0 || !*at)
            break;
    }
    if (ret->len > 0) {
        memmove(ret->ranges, ret->ranges + 1, (ret->len - 1) * sizeof *ret->ranges);
        ret->len--;
    }
    return r;
}

uint64_t prl_ids_count(const struct prl_ids *ids)
{
    uint64_t count = 0;
    for (size_t i = 0; i < ids->len; i++)
        count += ids->ranges[i].count;
    return count;
}

struct rows {
    struct prl_idmap *rows;
    size_t len;
    uint64_t inside; /* the next id that is free */
};

static void append(struct rows *rows, uint64_t host, uint64_t count)
{
    if (rows->inside + count > UINT32_MAX)
        count = UINT32_MAX - rows->inside;
    if (count == 0)
        return;
    rows->rows[rows->len++] =
        (struct prl_idmap){(uint32_t)rows->inside, (uint32_t)host, (uint32_t)count};
    rows->inside += count;
}

size_t prl_ids_map(enum prl_ids_map how, uint32_t own, const struct prl_ids *ids,
                   struct prl_idmap ret[PRL_IDMAP_ROWS])
{
    struct rows rows = {.rows = ret};
    if (how == PRL_IDS_MAP_RANGE)
        append(&rows, own, 1);
    if (how == PRL_IDS_MAP_KEEP)
        ret[rows.len++] = (struct prl_idmap){own, own, 1};
    for (size_t i = 0; i < ids->len; i++) {
        if (how == PRL_IDS_MAP_KEEP) {
            /* A range up to the id that is kept, and what is left behind it. */
            const struct prl_id_range *range = &ids->ranges[i];
            uint64_t before = rows.inside < own ? own - rows.inside : 0;
            uint64_t count = range->count < before ? range->count : before;
            append(&rows, range->first, count);
            if (rows.inside == own)
                rows.inside++;
            append(&rows, (uint64_t)range->first + count, range->count - count);
        } else
            append(&rows, ids->ranges[i].first, ids->ranges[i].count);
    }
    return rows.len;
}
