/* ring.c: see ring.h.
 * In, out: as there.  A piece is a head of three bytes, stream and length, and its bytes; it is
 * forgotten as a whole. */
#include "container/monitor/ring.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 3, PIECE_MAX = 32768 };

static void put(struct prl_ring *ring, const void *from, size_t len)
{
    size_t at = ring->end % PRL_RING_BYTES, first = PRL_RING_BYTES - at;
    first = first < len ? first : len;
    memcpy(ring->bytes + at, from, first);
    memcpy(ring->bytes, (const char *)from + first, len - first);
    ring->end += len;
}

static void get(const struct prl_ring *ring, uint64_t place, void *to, size_t len)
{
    size_t at = place % PRL_RING_BYTES, first = PRL_RING_BYTES - at;
    first = first < len ? first : len;
    memcpy(to, ring->bytes + at, first);
    memcpy((char *)to + first, ring->bytes, len - first);
}

static size_t head(const struct prl_ring *ring, uint64_t place, int *ret_stream)
{
    unsigned char text[HEAD];
    get(ring, place, text, HEAD);
    *ret_stream = text[0];
    return (size_t)text[1] << 8 | text[2];
}

static void forget(struct prl_ring *ring)
{
    int stream;
    size_t len = head(ring, ring->begin, &stream);
    ring->begin += HEAD + len;
    ring->begin_output += len;
}

bool prl_ring_add(struct prl_ring *ring, int stream, const char *bytes, size_t len)
{
    if (!ring->bytes)
        ring->bytes = malloc(PRL_RING_BYTES);
    while (ring->bytes && len > 0) {
        size_t piece = len < PIECE_MAX ? len : PIECE_MAX;
        const unsigned char text[HEAD] = {(unsigned char)stream, (unsigned char)(piece >> 8),
                                          (unsigned char)piece};
        while (ring->end + HEAD + piece - ring->begin > PRL_RING_BYTES)
            forget(ring);
        put(ring, text, HEAD);
        put(ring, bytes, piece);
        bytes += piece;
        len -= piece;
    }
    return ring->bytes != NULL;
}

void prl_ring_free(struct prl_ring *ring)
{
    free(ring->bytes);
    *ring = (struct prl_ring){0};
}

struct prl_ring_place prl_ring_first(const struct prl_ring *ring)
{
    return (struct prl_ring_place){ring->begin, ring->begin_output};
}

static void skip(const struct prl_ring *ring, struct prl_ring_place *place)
{
    int stream;
    size_t len = head(ring, place->at, &stream);
    place->at += HEAD + len;
    place->output += len;
}

struct prl_ring_place prl_ring_end(const struct prl_ring *ring)
{
    struct prl_ring_place place = prl_ring_first(ring);
    while (place.at < ring->end)
        skip(ring, &place);
    return place;
}

struct prl_ring_place prl_ring_replay(const struct prl_ring *ring)
{
    struct prl_ring_place place = prl_ring_first(ring);
    while (ring->end - place.at > PRL_RING_REPLAY_BYTES)
        skip(ring, &place);
    return place;
}

uint64_t prl_ring_catch_up(const struct prl_ring *ring, struct prl_ring_place *place)
{
    if (place->at >= ring->begin)
        return 0;
    uint64_t missed = ring->begin_output - place->output;
    *place = prl_ring_first(ring);
    return missed;
}

size_t prl_ring_read(const struct prl_ring *ring, struct prl_ring_place *next, char *buffer,
                     size_t size, int *ret_stream)
{
    size_t got = 0;
    *ret_stream = 0;
    while (next->at < ring->end) {
        int stream;
        size_t len = head(ring, next->at, &stream);
        if (got > 0 && (stream != *ret_stream || got + len > size))
            break;
        *ret_stream = stream;
        get(ring, next->at + HEAD, buffer + got, len);
        got += len;
        skip(ring, next);
    }
    return got;
}
