/* pool.h: memory that a start needs for one step and gives back.
 * In: room that is lent once.  Out: pieces of it, given back in any order, used again from the
 * end.  Never: more than one thread; growth: what does not fit comes from malloc. */
#pragma once

#include <stddef.h>

/* Only by the launcher, which has one thread and lives for one start: a page that is touched
 * again costs nothing, a fresh one a page fault. If nothing is lent: malloc and free. */
void prl_pool_lend(void *room, size_t size);
void *prl_pool_alloc(size_t size);
/* NULL: no memory. */
char *prl_pool_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *prl_pool_resize(void *piece, size_t old_size, size_t size);
void prl_pool_free(void *piece);

static inline void prl_pool_free_p(void *p)
{
    prl_pool_free(*(void **)p);
}

#define _cleanup_pool_ __attribute__((cleanup(prl_pool_free_p)))
