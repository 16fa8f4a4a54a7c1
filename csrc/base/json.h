/* json.h: where documents of the JSON reader live.
 * In: nothing.  Out: the reader's kind of allocator over pool.h.  Never: a document's content.
 */
#pragma once

#include "base/pool.h"

#include <yyjson.h>

static inline void *prl_json_alloc(void *context, size_t size)
{
    (void)context;
    return prl_pool_alloc(size);
}

static inline void *prl_json_resize(void *context, void *piece, size_t old_size, size_t size)
{
    (void)context;
    return prl_pool_resize(piece, old_size, size);
}

static inline void prl_json_free(void *context, void *piece)
{
    (void)context;
    prl_pool_free(piece);
}

static const yyjson_alc prl_json_memory = {prl_json_alloc, prl_json_resize, prl_json_free,
                                           NULL};
