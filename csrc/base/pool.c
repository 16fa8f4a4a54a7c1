/* pool.c: memory that a start needs for one step and gives back.
 * In: room that is lent once.  Out: pieces of it; the last piece is given back at once, others
 * when they have become the last.  Never: more than one thread. */
#include "base/pool.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Before each piece. */
struct head {
    struct head *before;
    bool is_free;
    _Alignas(16) unsigned char bytes[];
};

static struct {
    unsigned char *begin, *next, *end;
    struct head *last;
} pool;

void prl_pool_lend(void *room, size_t size)
{
    unsigned char *begin = (unsigned char *)(((uintptr_t)room + 15) & ~(uintptr_t)15);
    pool.begin = pool.next = begin;
    pool.end = (unsigned char *)room + size;
    pool.last = NULL;
}

static bool is_mine(const void *piece)
{
    return (const unsigned char *)piece >= pool.begin &&
           (const unsigned char *)piece < pool.end;
}

/* Room behind `at` for so many bytes, and the next head aligned. */
static bool fits(const unsigned char *at, size_t size)
{
    return pool.end && size < SIZE_MAX / 2 &&
           sizeof(struct head) + ((size + 15) & ~(size_t)15) <= (size_t)(pool.end - at);
}

static void end_behind(struct head *head, size_t size)
{
    pool.next = head->bytes + ((size + 15) & ~(size_t)15);
}

void *prl_pool_alloc(size_t size)
{
    if (!fits(pool.next, size))
        return malloc(size);
    struct head *head = (struct head *)(void *)pool.next;
    head->before = pool.last;
    head->is_free = false;
    pool.last = head;
    end_behind(head, size);
    return head->bytes;
}

char *prl_pool_print(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int len = vsnprintf(NULL, 0, format, values);
    va_end(values);
    char *text = len < 0 ? NULL : prl_pool_alloc((size_t)len + 1);
    va_start(values, format);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, values);
    va_end(values);
    return text;
}

void prl_pool_free(void *piece)
{
    if (!is_mine(piece)) {
        free(piece);
        return;
    }
    struct head *head = (struct head *)(void *)((unsigned char *)piece - sizeof(struct head));
    head->is_free = true;
    while (pool.last && pool.last->is_free) {
        pool.next = (unsigned char *)pool.last;
        pool.last = pool.last->before;
    }
}

void *prl_pool_resize(void *piece, size_t old_size, size_t size)
{
    if (!piece)
        return prl_pool_alloc(size);
    if (!is_mine(piece))
        return realloc(piece, size);
    struct head *head = (struct head *)(void *)((unsigned char *)piece - sizeof(struct head));
    if (head == pool.last && fits((unsigned char *)head, size)) {
        end_behind(head, size);
        return piece;
    }
    void *copy = prl_pool_alloc(size);
    if (!copy)
        return NULL;
    memcpy(copy, piece, old_size < size ? old_size : size);
    prl_pool_free(piece);
    return copy;
}
