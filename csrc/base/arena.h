/* arena.h: memory with one lifetime.
 * In: sizes.  Out: zeroed memory that lives until the arena is freed.  Never: growing a block,
 * freeing one block. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct prl_arena;

struct prl_arena *prl_arena_new(void);        /* NULL: no memory */
void prl_arena_free(struct prl_arena *arena); /* NULL is fine */
void *prl_arena_alloc(struct prl_arena *arena,
                      size_t size); /* zeroed, 16-aligned; NULL: no memory */
/* Room for what comes next, in one piece.  false: no memory. */
bool prl_arena_reserve(struct prl_arena *arena, size_t size);
/* All that was handed out, where it is one piece; NULL: it is several. */
const void *prl_arena_piece(const struct prl_arena *arena, size_t *ret_len);
char *prl_arena_strndup(struct prl_arena *arena, const char *text, size_t len);
char *prl_arena_printf(struct prl_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
