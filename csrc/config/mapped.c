/* mapped.c: the flat form of a launch template; see mapped.h.
 * In: config.json; a file of our own below RUNTIME, checked by its sum.  Out: a spec.
 * Never: a file left behind by a kill (it has no name until it is whole); a field of the spec
 * by its name: the text is parsed twice, and a word that differs between the two is a pointer,
 * by exactly the distance of the two.
 *
 * The text of linux.seccomp, which is most of a template, is read last, so that it lies last in
 * the memory of the spec: it is left where it is, and not copied. */
#include "config/mapped.h"

#include "base/arena.h"
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "config/template.h"
#include "prl_build.h"
#include "spec/exports.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { SLOTS = 64, MAX_BYTES = 64 << 20, FILTER_MAX_BYTES = 1 << 20 };

/* Where a part lies: bytes from the begin. */
struct part {
    uint32_t at, len;
};

/* The parts follow in this order, each at a multiple of 16 bytes. */
struct head {
    char magic[8];
    uint64_t sum; /* of all 64-bit words behind it */
    char build[96];
    struct prl_template_identity template;
    uint32_t len;         /* of all */
    uint32_t unused;      /* of the multiple of 8 that the sum goes by */
    struct part sources;  /* NUL-terminated; len 0: none */
    struct part spec;     /* pointers in it count from its own begin */
    struct part pointers; /* uint32_t each: their places in the spec */
    struct part seccomp;  /* JSON, NUL-terminated; len 0: none */
    struct part filter;   /* the compiled one, if it is among the sources; aligned as u64 */
};

static const char MAGIC[8] = {'p', 'r', 'l', 'f', 'l', 'a', 't', '3'};

static const struct head *head_of(const struct prl_flat *flat)
{
    return (const struct head *)(const void *)flat->at;
}

/* FNV-1a; "flat/07" */
static void slot_of(const struct prl_template_identity *template, char ret[16])
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)template;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof *template; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    memcpy(ret, "flat/..", 8);
    ret[5] = digits[hash % SLOTS / 16];
    ret[6] = digits[hash % 16];
}

static uint64_t sum_of(const unsigned char *at, size_t len)
{
    uint64_t sum = len, word;
    for (size_t i = offsetof(struct head, build); i < len; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        sum = (sum << 1 | sum >> 63) ^ word;
    }
    return sum;
}

/* --- find one --- */

static bool has_part(const struct prl_flat *flat, struct part part, size_t unit)
{
    return part.at % 16 == 0 && part.at <= flat->len && part.len <= flat->len - part.at &&
           part.len % unit == 0;
}

static bool has_text(const struct prl_flat *flat, struct part part)
{
    return has_part(flat, part, 1) &&
           (part.len == 0 || flat->at[part.at + part.len - 1] == '\0');
}

/* The sum is looked at last: it takes as long as the rest. */
static bool is_whole(const struct prl_flat *flat, const struct prl_template_identity *template)
{
    const struct head *h = head_of(flat);
    return memcmp(h->magic, MAGIC, sizeof MAGIC) == 0 && h->len == flat->len &&
           memcmp(&h->template, template, sizeof *template) == 0 &&
           strncmp(h->build, PRL_BUILD, sizeof h->build) == 0 && has_text(flat, h->sources) &&
           has_part(flat, h->spec, 16) && h->spec.len >= sizeof(struct prl_spec) &&
           has_part(flat, h->pointers, sizeof(uint32_t)) && has_text(flat, h->seccomp) &&
           has_part(flat, h->filter, 8) && sum_of(flat->at, flat->len) == h->sum;
}

bool prl_flat_find(const struct prl_dirs *dirs, const struct prl_template_identity *template,
                   struct prl_flat *ret)
{
    struct stat st;
    char path[16];
    slot_of(template, path);
    _cleanup_close_ int fd = openat(dirs->runtime_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size % 16 != 0 ||
        st.st_size < (off_t)sizeof(struct head) || st.st_size > MAX_BYTES)
        return false;
    struct prl_flat flat = {.len = (size_t)st.st_size, .mapped = true};
    void *map = mmap(NULL, flat.len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED)
        return false;
    flat.at = map;
    if (is_whole(&flat, template)) {
        *ret = flat;
        return true;
    }
    prl_flat_close(&flat);
    return false;
}

const char *prl_flat_sources(const struct prl_flat *flat)
{
    struct part sources = head_of(flat)->sources;
    return sources.len ? (const char *)flat->at + sources.at : NULL;
}

void prl_flat_close(struct prl_flat *flat)
{
    void *at = (void *)(uintptr_t)flat->at;
    if (flat->mapped)
        munmap(at, flat->len);
    else
        free(at);
    *flat = (struct prl_flat){0};
}

/* Every pointer leads into the copy; false: one does not. */
static bool set_pointers(const struct prl_flat *flat, unsigned char *copy)
{
    const struct head *h = head_of(flat);
    const uint32_t *places = (const uint32_t *)(const void *)(flat->at + h->pointers.at);
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

int prl_flat_spec(const struct prl_flat *flat, struct prl_spec **ret)
{
    const struct head *h = head_of(flat);
    struct prl_arena *arena = prl_arena_new();
    struct prl_spec *spec = arena ? prl_arena_alloc(arena, h->spec.len) : NULL;
    if (spec)
        memcpy(spec, flat->at + h->spec.at, h->spec.len);
    if (!spec || !set_pointers(flat, (unsigned char *)spec)) {
        prl_arena_free(arena);
        return spec ? -EBADMSG : -ENOMEM;
    }
    if (h->seccomp.len)
        spec->seccomp_json = (const char *)flat->at + h->seccomp.at;
    if (h->filter.len) {
        spec->seccomp_bytes = flat->at + h->filter.at;
        spec->seccomp_bytes_len = h->filter.len;
    }
    spec->arena = arena;
    *ret = spec;
    return 0;
}

/* --- make one --- */

struct writer {
    unsigned char *bytes;
    size_t len, room;
};

static bool add_part(struct writer *w, const void *data, size_t len, struct part *ret)
{
    size_t padded = (len + 15) & ~(size_t)15;
    if (padded > w->room - w->len)
        return false;
    *ret = (struct part){(uint32_t)w->len, (uint32_t)len};
    if (len)
        memcpy(w->bytes + w->len, data, len);
    memset(w->bytes + w->len + len, 0, padded - len);
    w->len += padded;
    return true;
}

/* Of this program: what lies there lies elsewhere in the next process, and looks the same here.
 */
static bool is_ours(uintptr_t pointer)
{
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    extern const char _end[] __attribute__((visibility("hidden")));
    return pointer >= (uintptr_t)__ehdr_start && pointer < (uintptr_t)_end;
}

/* Two copies of one spec → one whose pointers count from its begin, and their places. */
static bool add_spec(struct writer *w, struct head *h, const struct prl_spec *const pair[2],
                     size_t len)
{
    const unsigned char *one = (const void *)pair[0], *other = (const void *)pair[1];
    _cleanup_free_ uint32_t *places = malloc(len / 2 + 1);
    size_t count = 0;
    bool good = places && add_part(w, one, len, &h->spec);
    for (size_t at = 0; good && at + sizeof(uintptr_t) <= len; at += sizeof(uintptr_t)) {
        uintptr_t mine, its;
        memcpy(&mine, one + at, sizeof mine);
        memcpy(&its, other + at, sizeof its);
        if (at == offsetof(struct prl_spec, arena) ||
            at == offsetof(struct prl_spec, seccomp_json)) /* the reader's will be others */
            mine = 0;
        else if (mine == its)
            good = !is_ours(mine);
        else {
            mine -= (uintptr_t)one;
            good = mine == its - (uintptr_t)other && mine < len;
            places[count++] = (uint32_t)at;
        }
        memcpy(w->bytes + h->spec.at + at, &mine, sizeof mine);
    }
    return good && add_part(w, places, count * sizeof *places, &h->pointers);
}

/* Is this path one of the files whose change makes the template stale? */
static bool is_source(const char *sources, const char *path)
{
    size_t len = strlen(path);
    for (const char *at = sources; (at = strstr(at, path)); at += len)
        if (at > sources && at[-1] == ' ' && (at[len] == '\n' || !at[len]))
            return true;
    return false;
}

/* The compiled filter, where nobody can change it unnoticed; else it is read at each start. */
static bool add_filter(struct writer *w, struct head *h, const struct prl_spec *spec,
                       const char *sources)
{
    _cleanup_free_ char *bytes = NULL;
    size_t len = 0;
    const char *path = spec->seccomp_program;
    if (path && sources && is_source(sources, path) &&
        (prl_io_read_file(AT_FDCWD, path, FILTER_MAX_BYTES, &bytes, &len) < 0 || len % 8 != 0))
        len = 0;
    return add_part(w, bytes, len, &h->filter);
}

static const char *note(const struct prl_spec *spec, const char *key)
{
    for (size_t i = 0; i < spec->notes_len; i++)
        if (strcmp(spec->notes[i].key, key) == 0)
            return spec->notes[i].value;
    return NULL;
}

static bool fill(struct writer *w, struct head *h, const struct prl_spec *const pair[2])
{
    const struct prl_spec *spec = pair[0];
    const char *filter = spec->seccomp_json, *sources = NULL;
    const char *version = note(spec, "io.pyrootless.template.version");
    struct part self;
    size_t len = 0, other_len = 0;
    const void *one = prl_arena_piece(spec->arena, &len);
    if (one != (const void *)spec || !prl_arena_piece(pair[1]->arena, &other_len) ||
        len != other_len)
        return false;
    if (filter)
        len = (size_t)(filter - (const char *)spec);
    if (version && strcmp(version, PRL_TEMPLATE_VERSION) == 0)
        sources = note(spec, "io.pyrootless.template.sources");
    return add_part(w, h, sizeof *h, &self) &&
           add_part(w, sources, sources ? strlen(sources) + 1 : 0, &h->sources) &&
           add_spec(w, h, pair, len) &&
           add_part(w, filter, filter ? strlen(filter) + 1 : 0, &h->seccomp) &&
           add_filter(w, h, spec, sources);
}

int prl_flat_make(const char *json, size_t len, const struct prl_template_identity *template,
                  struct prl_flat *ret)
{
    struct prl_error ignored;
    struct prl_spec *pair[2] = {NULL, NULL};
    struct head h = {.build = PRL_BUILD, .template = *template};
    int r = prl_spec_read(json, len, &pair[0], &ignored);
    if (r == 0)
        r = prl_spec_read(json, len, &pair[1], &ignored);
    /* What it was read into has more room than it takes: see prl_spec_read. */
    struct writer w = {.room = r < 0 ? 0 : 4 * (len + FILTER_MAX_BYTES)};
    w.bytes = w.room ? malloc(w.room) : NULL;
    if (r == 0)
        r = w.bytes && fill(&w, &h, (const struct prl_spec *const *)pair) ? 0 : -ENOMEM;
    prl_spec_free(pair[0]);
    prl_spec_free(pair[1]);
    if (r < 0) {
        free(w.bytes);
        return r;
    }
    memcpy(h.magic, MAGIC, sizeof MAGIC);
    h.len = (uint32_t)w.len;
    memcpy(w.bytes, &h, sizeof h);
    h.sum = sum_of(w.bytes, w.len);
    memcpy(w.bytes, &h, sizeof h);
    *ret = (struct prl_flat){.at = w.bytes, .len = w.len};
    return 0;
}

void prl_flat_keep(const struct prl_dirs *dirs, const struct prl_flat *flat)
{
    char link[32], path[16];
    slot_of(&head_of(flat)->template, path);
    mkdirat(dirs->runtime_fd, "flat", 0700);
    _cleanup_close_ int fd =
        openat(dirs->runtime_fd, "flat", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || prl_io_write_all(fd, flat->at, flat->len) < 0)
        return;
    prl_sys_fd_path(fd, link);
    if (linkat(AT_FDCWD, link, dirs->runtime_fd, path, AT_SYMLINK_FOLLOW) == 0 ||
        errno != EEXIST || unlinkat(dirs->runtime_fd, path, 0) < 0)
        return;
    (void)linkat(AT_FDCWD, link, dirs->runtime_fd, path, AT_SYMLINK_FOLLOW);
}
