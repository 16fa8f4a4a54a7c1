/* pax.c: extended headers: "LENGTH KEY=VALUE\n", one after the other.
 * In: bodies of 'x' and 'g' members.  Out: records, or EBADMSG.
 * Never: a length that is believed before it was compared with what is there.
 * Source: POSIX.1-2017, pax, "pax Extended Header". */
#include "unpack/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int bad(struct prl_error *reterr, const char *key, const char *what)
{
    return prl_failf(reterr, PRL_STAGE_LAYER, EBADMSG, "pax",
                     "the archive is damaged: extended header %.40s: %s", key, what);
}

bool prl_unpack_digits(const char **p, uint64_t *ret)
{
    const char *start = *p;
    uint64_t value = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        if (value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (unsigned)(**p - '0');
    }
    *ret = value;
    return *p > start;
}

static int add_record(struct prl_unpack_pax *pax, const struct prl_unpack_record *record)
{
    if (pax->records_len == pax->records_room) {
        size_t room = pax->records_room ? pax->records_room * 2 : 16;
        void *more = realloc(pax->records, room * sizeof *pax->records);
        if (!more)
            return -ENOMEM;
        pax->records = more;
        pax->records_room = room;
    }
    pax->records[pax->records_len++] = *record;
    return 0;
}

/* The length of the record at `at` of a text that ends with NUL at end; 0: it is malformed.
 * Its equals sign and its newline become the ends of key and value. */
static size_t split_record(char *text, size_t at, size_t end, struct prl_unpack_record *ret)
{
    const char *p = text + at;
    uint64_t len;
    if (!prl_unpack_digits(&p, &len) || *p != ' ' || len > end - at)
        return 0;
    size_t key_at = (size_t)(p + 1 - text), stop = at + (size_t)len;
    if (key_at >= stop || text[stop - 1] != '\n')
        return 0;
    char *equals = memchr(text + key_at, '=', stop - 1 - key_at);
    if (!equals || equals == text + key_at ||
        memchr(text + key_at, '\0', equals - text - key_at))
        return 0;
    *equals = text[stop - 1] = '\0';
    ret->key_at = key_at;
    ret->value_at = (size_t)(equals + 1 - text);
    ret->value_len = stop - 1 - ret->value_at;
    return (size_t)len;
}

int prl_unpack_pax_add(struct prl_unpack_pax *pax, const char *body, size_t len,
                       struct prl_error *reterr)
{
    size_t at = pax->text_len, end = at + len;
    char *text = realloc(pax->text, end + 1);
    if (!text)
        return prl_fail_with(reterr, PRL_STAGE_LAYER, ENOMEM, "realloc", "extended header");
    pax->text = text;
    pax->text_len = end;
    memcpy(text + at, body, len);
    text[end] = '\0';
    while (at < end) {
        struct prl_unpack_record record;
        size_t step = split_record(text, at, end, &record);
        if (step == 0)
            return bad(reterr, "record", "not LENGTH KEY=VALUE");
        if (add_record(pax, &record) < 0)
            return prl_fail_with(reterr, PRL_STAGE_LAYER, ENOMEM, "realloc", "extended header");
        at += step;
    }
    return 0;
}

void prl_unpack_pax_clear(struct prl_unpack_pax *pax)
{
    pax->text_len = pax->records_len = 0;
}

void prl_unpack_pax_free(struct prl_unpack_pax *pax)
{
    free(pax->text);
    free(pax->records);
    *pax = (struct prl_unpack_pax){0};
}

static const struct prl_unpack_record *last_of(const struct prl_unpack_pax *pax,
                                               const char *key)
{
    for (size_t i = pax->records_len; i > 0; i--)
        if (strcmp(pax->text + pax->records[i - 1].key_at, key) == 0)
            return &pax->records[i - 1];
    return NULL;
}

const char *prl_unpack_pax_find(const struct prl_unpack_extended *extended, const char *key,
                                size_t *ret_len)
{
    const struct prl_unpack_pax *pax = &extended->own;
    const struct prl_unpack_record *record = last_of(pax, key);
    if (!record) {
        pax = &extended->global;
        record = last_of(pax, key);
    }
    if (!record || record->value_len == 0)
        return NULL;
    *ret_len = record->value_len;
    return pax->text + record->value_at;
}

int prl_unpack_pax_text(const struct prl_unpack_extended *extended, const char *key,
                        const char **ret, struct prl_error *reterr)
{
    size_t len;
    const char *value = prl_unpack_pax_find(extended, key, &len);
    if (!value)
        return 0;
    if (strlen(value) != len)
        return bad(reterr, key, "a NUL byte in a name");
    *ret = value;
    return 1;
}

int prl_unpack_pax_number(const struct prl_unpack_extended *extended, const char *key,
                          uint64_t max, uint64_t *ret, struct prl_error *reterr)
{
    size_t len;
    uint64_t number;
    const char *value = prl_unpack_pax_find(extended, key, &len), *p = value;
    if (!value)
        return 0;
    if (!prl_unpack_digits(&p, &number) || p != value + len || number > max)
        return bad(reterr, key, "not a number that fits");
    *ret = number;
    return 1;
}

/* Nine digits of a fraction; more are cut off. */
static long fraction_ns(const char **p)
{
    long ns = 0;
    int digits = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++)
        if (digits < 9) {
            ns = ns * 10 + (**p - '0');
            digits++;
        }
    for (; digits < 9; digits++)
        ns *= 10;
    return ns;
}

int prl_unpack_pax_time(const struct prl_unpack_extended *extended, const char *key,
                        struct timespec *ret, struct prl_error *reterr)
{
    size_t len;
    uint64_t seconds;
    long ns = 0;
    const char *value = prl_unpack_pax_find(extended, key, &len), *p = value;
    if (!value)
        return 0;
    bool negative = *p == '-';
    p += negative;
    bool good = prl_unpack_digits(&p, &seconds);
    if (good && *p == '.') {
        p++;
        ns = fraction_ns(&p);
    }
    if (!good || p != value + len)
        return bad(reterr, key, "not a time");
    ret->tv_sec = negative ? -(time_t)seconds : (time_t)seconds;
    ret->tv_nsec = ns;
    if (negative && ns > 0) { /* -1.25 s is two seconds back and 0.75 forward */
        ret->tv_sec--;
        ret->tv_nsec = 1000000000L - ns;
    }
    return 1;
}
