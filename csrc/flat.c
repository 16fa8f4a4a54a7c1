/* flat.c: find one, and make a spec and a text of it; see flat.h.
 * In: a file of our own below RUNTIME, checked by its sum.  Out: as there.
 * Never: a page of it changed; trust in a place that lies outside. */
#include "flat.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/own.h"
#include "flat_form.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* FNV-1a. */
void prl_flat_slot(struct prl_span key, unsigned choice, char ret[16])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * 0x100000001b3u;
    hash ^= hash >> 32 ^ choice;
    memcpy(ret, "flat/..", 8);
    ret[5] = digits[hash % PRL_FLAT_SLOTS / 16];
    ret[6] = digits[hash % 16];
}

uint64_t prl_flat_sum(const unsigned char *map, size_t len)
{
    uint64_t sum = len, word;
    for (size_t at = offsetof(struct prl_flat_head, template); at < len; at += sizeof word) {
        memcpy(&word, map + at, sizeof word);
        sum = (sum << 1 | sum >> 63) ^ word;
    }
    return sum;
}

static const struct prl_flat_head *head_of(const struct prl_flat *flat)
{
    return (const struct prl_flat_head *)(const void *)flat->map;
}

static bool has_part(const struct prl_flat *flat, struct prl_flat_part part, size_t unit)
{
    return part.at % 16 == 0 && part.at <= flat->len && part.len <= flat->len - part.at &&
           part.len % unit == 0;
}

static const struct prl_flat_piece *pieces_of(const struct prl_flat *flat)
{
    return (const struct prl_flat_piece *)(const void *)(flat->map + head_of(flat)->pieces.at);
}

static bool has_text(const struct prl_flat *flat)
{
    const struct prl_flat_head *h = head_of(flat);
    const struct prl_flat_piece *pieces = pieces_of(flat);
    for (size_t i = 0; i < h->pieces.len / sizeof *pieces; i++)
        if (pieces[i].text.at > h->text.len ||
            pieces[i].text.len > h->text.len - pieces[i].text.at)
            return false;
    return true;
}

static bool is_whole(const struct prl_flat *flat)
{
    const struct prl_flat_head *h = head_of(flat);
    return memcmp(h->magic, PRL_FLAT_MAGIC, sizeof h->magic) == 0 && h->len == flat->len &&
           prl_flat_sum(flat->map, flat->len) == h->sum && has_part(flat, h->key, 1) &&
           has_part(flat, h->sources, 1) && h->sources.len > 0 && has_part(flat, h->spec, 16) &&
           h->spec.len >= sizeof(struct prl_spec) &&
           has_part(flat, h->pointers, sizeof(uint32_t)) &&
           has_part(flat, h->ids, sizeof(struct prl_flat_part)) &&
           has_part(flat, h->pieces, sizeof(struct prl_flat_piece)) &&
           h->pieces.len <= PRL_FLAT_PIECES * sizeof(struct prl_flat_piece) &&
           has_part(flat, h->text, 1) && has_text(flat) && has_part(flat, h->filter, 8);
}

/* Looked at before the sum, which takes as long as the rest. */
static bool has_key(const struct prl_flat *flat, struct prl_span key)
{
    const struct prl_flat_head *h = head_of(flat);
    return has_part(flat, h->key, 1) && h->key.len == key.len &&
           memcmp(flat->map + h->key.at, key.at, key.len) == 0;
}

static bool is_for(const struct prl_flat *flat, const struct prl_template *template)
{
    const struct prl_flat_head *h = head_of(flat);
    return memcmp(&h->template, &template->identity, sizeof h->template) == 0 &&
           flat->map[h->sources.at + h->sources.len - 1] == '\0';
}

static bool find_at(const struct prl_dirs *dirs, const char *path, struct prl_span key,
                    const struct prl_template *template, struct prl_flat *ret)
{
    struct stat st;
    _cleanup_close_ int fd = openat(dirs->runtime_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size % 16 != 0 ||
        st.st_size < (off_t)sizeof(struct prl_flat_head) || st.st_size > PRL_FLAT_MAX_BYTES)
        return false;
    struct prl_flat flat = {.len = (size_t)st.st_size};
    void *map = mmap(NULL, flat.len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return false;
    flat.map = map;
    if (has_key(&flat, key) && is_whole(&flat) && is_for(&flat, template)) {
        *ret = flat;
        return true;
    }
    prl_flat_close(&flat);
    return false;
}

bool prl_flat_find(const struct prl_dirs *dirs, struct prl_span key,
                   const struct prl_template *template, struct prl_flat *ret)
{
    bool found = false;
    char path[16];
    for (unsigned choice = 0; !found && choice < PRL_FLAT_CHOICES; choice++) {
        prl_flat_slot(key, choice, path);
        found = find_at(dirs, path, key, template, ret);
    }
    return found;
}

bool prl_flat_is_fresh(const struct prl_flat *flat)
{
    return prl_template_are_fresh((const char *)flat->map + head_of(flat)->sources.at);
}

void prl_flat_close(struct prl_flat *flat)
{
    if (flat->map)
        munmap((void *)(uintptr_t)flat->map, flat->len);
    *flat = (struct prl_flat){0};
}

/* Every pointer leads into the copy; false: one does not. */
static bool set_pointers(const struct prl_flat *flat, unsigned char *copy)
{
    const struct prl_flat_head *h = head_of(flat);
    const uint32_t *places = (const uint32_t *)(const void *)(flat->map + h->pointers.at);
    for (size_t i = 0; i < h->pointers.len / sizeof *places; i++) {
        uintptr_t pointer;
        if (places[i] > h->spec.len - sizeof pointer)
            return false;
        memcpy(&pointer, copy + places[i], sizeof pointer);
        if (pointer >= h->spec.len)
            return false;
        pointer += (uintptr_t)copy;
        memcpy(copy + places[i], &pointer, sizeof pointer);
    }
    return true;
}

static bool set_ids(const struct prl_flat *flat, const char *id, unsigned char *copy)
{
    const struct prl_flat_head *h = head_of(flat);
    const struct prl_flat_part *parts =
        (const struct prl_flat_part *)(const void *)(flat->map + h->ids.at);
    for (size_t i = 0; i < h->ids.len / sizeof *parts; i++) {
        if (parts[i].len > PRL_ID_FULL || parts[i].at > h->spec.len - parts[i].len)
            return false;
        memcpy(copy + parts[i].at, id, parts[i].len);
    }
    return true;
}

/* The caller's arguments behind those of the image; false: no memory. */
static bool set_args(const struct prl_flat *flat, const struct prl_flat_words *words,
                     struct prl_arena *arena, struct prl_spec *spec)
{
    size_t begin = head_of(flat)->args_begin, count = 0;
    if (begin == PRL_FLAT_ARGS_FIXED)
        return true;
    while (words->args[count])
        count++;
    const char **args = prl_arena_alloc(arena, (begin + count + 1) * sizeof *args);
    for (size_t i = 0; args && i < begin + count; i++)
        args[i] = i < begin ? spec->process.args[i] : words->args[i - begin];
    spec->process.args = args;
    return args != NULL;
}

int prl_flat_spec(const struct prl_flat *flat, const struct prl_flat_words *words,
                  struct prl_spec **ret, struct prl_error *reterr)
{
    const struct prl_flat_head *h = head_of(flat);
    struct prl_arena *arena = prl_arena_new();
    void *copy = arena ? prl_arena_alloc(arena, h->spec.len) : NULL;
    struct prl_spec *spec = copy;
    if (copy)
        memcpy(copy, flat->map + h->spec.at, h->spec.len);
    if (!copy || !set_pointers(flat, copy) || !set_ids(flat, words->id, copy) ||
        !set_args(flat, words, arena, spec)) {
        prl_arena_free(arena);
        return prl_fail_with(reterr, PRL_STAGE_CONFIG, copy ? EBADMSG : ENOMEM, "malloc",
                             "spec");
    }
    if (h->filter.len) {
        spec->seccomp_bytes = flat->map + h->filter.at;
        spec->seccomp_bytes_len = h->filter.len;
    }
    spec->arena = arena;
    *ret = spec;
    return 0;
}

int prl_flat_text(const struct prl_flat *flat, const struct prl_flat_words *words,
                  struct iovec ret[PRL_FLAT_PIECES])
{
    const struct prl_flat_head *h = head_of(flat);
    const struct prl_flat_piece *pieces = pieces_of(flat);
    int count = (int)(h->pieces.len / sizeof *pieces);
    for (int i = 0; i < count; i++) {
        struct prl_span span = {(const char *)flat->map + h->text.at + pieces[i].text.at,
                                pieces[i].text.len};
        if (pieces[i].kind == PRL_FLAT_ID)
            span = (struct prl_span){words->id, PRL_ID_FULL};
        else if (pieces[i].kind == PRL_FLAT_SHORT_ID)
            span = (struct prl_span){words->id, PRL_ID_SHORT};
        else if (pieces[i].kind == PRL_FLAT_NAME)
            span = (struct prl_span){words->name, strlen(words->name)};
        else if (pieces[i].kind == PRL_FLAT_ARGS)
            span = words->args_json;
        ret[i] = (struct iovec){(void *)(uintptr_t)span.at, span.len};
    }
    return count;
}
