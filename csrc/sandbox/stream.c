/* stream.c: what a program writes, kept up to its limit.
 * In: a pipe.  Out: bytes in the report.  Never: more memory than the limit and one buffer. */
#include "sandbox/parts.h"

#include "base/error.h"
#include "base/own.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536, FIRST_BYTES = 4096 };

/* Room for `more` bytes, doubling, never beyond the limit; -1: there is no memory. */
static ssize_t make_room(struct prl_sandbox_stream *s, size_t more, uint64_t limit)
{
    size_t want = s->len + more, size = s->size ? s->size : FIRST_BYTES;
    while (size < want)
        size *= 2;
    if (size > limit)
        size = limit;
    if (size > s->size) {
        char *data = realloc(s->data, size);
        if (!data)
            return -1;
        s->data = data;
        s->size = size;
    }
    return (ssize_t)(s->size - s->len < more ? s->size - s->len : more);
}

int prl_sandbox_take(struct prl_sandbox_watch *w, unsigned stream, struct prl_error *reterr)
{
    static _Thread_local char chunk[CHUNK_BYTES];
    struct prl_sandbox_stream *s = &w->report->streams[stream];
    uint64_t limit = w->want->limits.stream_bytes[stream];
    ssize_t n = read(w->streams[stream], chunk, sizeof chunk);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0) /* closed, the program would be told by SIGPIPE */
        return prl_fail(reterr, PRL_STAGE_MONITOR, "read", "output");
    if (n == 0) {
        prl_close_p(&w->streams[stream]);
        return 0;
    }
    ssize_t kept = make_room(s, (size_t)n, limit);
    if (kept < 0)
        return prl_fail_with(reterr, PRL_STAGE_MONITOR, ENOMEM, "realloc", "output");
    if (kept > 0)
        memcpy(s->data + s->len, chunk, (size_t)kept);
    s->len += (size_t)kept;
    return kept < n ? 1 : 0;
}
