/* arena.c: memory with one lifetime.
 * In: sizes.  Out: zeroed memory, freed all at once.  Never: anything else. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 16384 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

struct prl_arena {
    struct chunk *chunks;
};

struct prl_arena *prl_arena_new(void)
{
    struct prl_arena *arena = malloc(sizeof *arena);
    if (arena)
        arena->chunks = NULL;
    return arena;
}

void prl_arena_free(struct prl_arena *arena)
{
    if (!arena)
        return;
    while (arena->chunks) {
        struct chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    free(arena);
}

static struct chunk *add_chunk(struct prl_arena *arena, size_t room)
{
    struct chunk *c = malloc(sizeof *c + room);
    if (c) {
        *c = (struct chunk){.next = arena->chunks, .size = room};
        arena->chunks = c;
    }
    return c;
}

bool prl_arena_reserve(struct prl_arena *arena, size_t size)
{
    return size < SIZE_MAX / 2 && add_chunk(arena, size);
}

void *prl_arena_alloc(struct prl_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t need = (size + 15) & ~(size_t)15;
    struct chunk *c = arena->chunks;
    if (!c || c->size - c->used < need)
        c = add_chunk(arena, need > CHUNK_BYTES ? need : CHUNK_BYTES);
    if (!c)
        return NULL;
    void *p = c->data + c->used;
    c->used += need;
    return memset(p, 0, need); /* not the chunk: its other pages may never be touched */
}

const void *prl_arena_piece(const struct prl_arena *arena, size_t *ret_len)
{
    const struct chunk *c = arena->chunks;
    if (!c || c->next)
        return NULL;
    *ret_len = c->used;
    return c->data;
}

char *prl_arena_strndup(struct prl_arena *arena, const char *text, size_t len)
{
    char *copy = prl_arena_alloc(arena, len + 1);
    if (copy)
        memcpy(copy, text, len);
    return copy;
}

char *prl_arena_printf(struct prl_arena *arena, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int len = vsnprintf(NULL, 0, format, list);
    char *text = len < 0 ? NULL : prl_arena_alloc(arena, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    va_end(list);
    return text;
}
