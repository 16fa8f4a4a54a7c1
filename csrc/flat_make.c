/* flat_make.c: make one of a start that was made in full; see flat.h.
 * In: the text and the spec of that start.  Out: a file below RUNTIME/flat/, whole or not
 * there. Never: a file left behind by a kill (it has no name until it is whole); more than
 * PRL_FLAT_SLOTS of them; a field of the spec by its name: the text is parsed a second time,
 * and a word that differs between the two is a pointer, by exactly the distance of the two. */
#include "flat.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "flat_form.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { YOUNG_SECONDS = 10, IDS_MAX = 64 };

/* The file while it grows; parts begin at multiples of 16. */
struct writer {
    unsigned char *bytes;
    size_t len, room;
};

static bool add_part(struct writer *w, const void *data, size_t len, struct prl_flat_part *ret)
{
    size_t padded = (len + 15) & ~(size_t)15;
    if (padded > w->room - w->len)
        return false;
    *ret = (struct prl_flat_part){(uint32_t)w->len, (uint32_t)len};
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
static bool add_spec(struct writer *w, struct prl_flat_head *h, const unsigned char *one,
                     const unsigned char *other, size_t len)
{
    uint32_t *places = malloc(len / 2 + 1);
    size_t count = 0;
    bool good = places && add_part(w, one, len, &h->spec);
    for (size_t at = 0; good && at + sizeof(uintptr_t) <= len; at += sizeof(uintptr_t)) {
        uintptr_t mine, its;
        if (at == offsetof(struct prl_spec, arena)) /* the reader's will be another */
            continue;
        memcpy(&mine, one + at, sizeof mine);
        memcpy(&its, other + at, sizeof its);
        if (mine == its) {
            good = !is_ours(mine);
            continue;
        }
        mine -= (uintptr_t)one;
        good = mine == its - (uintptr_t)other && mine < len;
        memcpy(w->bytes + h->spec.at + at, &mine, sizeof mine);
        places[count++] = (uint32_t)at;
    }
    good = good && add_part(w, places, count * sizeof *places, &h->pointers);
    free(places);
    return good;
}

/* The next place of the id, whole or its begin; NULL: none.  *ret_len: which. */
static const char *find_id(const char *text, size_t len, const char *id, uint32_t *ret_len)
{
    const char *at = memmem(text, len, id, PRL_ID_SHORT);
    if (at)
        *ret_len = (size_t)(text + len - at) >= PRL_ID_FULL && memcmp(at, id, PRL_ID_FULL) == 0
                       ? PRL_ID_FULL
                       : PRL_ID_SHORT;
    return at;
}

static bool add_ids(struct writer *w, struct prl_flat_head *h, const char *id)
{
    struct prl_flat_part parts[IDS_MAX];
    const char *text = (const char *)w->bytes + h->spec.at, *at = text;
    size_t count = 0;
    uint32_t len;
    while ((at = find_id(at, (size_t)(text + h->spec.len - at), id, &len))) {
        if (count == IDS_MAX)
            return false;
        parts[count++] = (struct prl_flat_part){(uint32_t)(at - text), len};
        at += len;
    }
    return add_part(w, parts, count * sizeof *parts, &h->ids);
}

/* Where the caller's words stand in the text; at NULL: nowhere.  false: not where they should.
 */
static bool find_words(const struct prl_flat_start *s, struct prl_span *ret_args,
                       struct prl_span *ret_name)
{
    const struct prl_span json = {s->json, s->json_len}, given = s->words.args_json;
    struct prl_span all;
    *ret_args = *ret_name = (struct prl_span){0};
    if (given.len) {
        if (!prl_span_find(json, "process", "args", &all) || all.len < given.len + 2 ||
            memcmp(all.at + all.len - 1 - given.len, given.at, given.len) != 0)
            return false;
        *ret_args = (struct prl_span){all.at + all.len - 1 - given.len, given.len};
    }
    if (!s->words.name)
        return true;
    size_t len = strlen(s->words.name);
    if (!prl_span_find(json, "annotations", "io.pyrootless.name", &all) || all.len != len + 2 ||
        memcmp(all.at + 1, s->words.name, len) != 0)
        return false;
    *ret_name = (struct prl_span){all.at + 1, len};
    return true;
}

struct cutter {
    const char *text, *at, *end;
    struct prl_flat_piece pieces[PRL_FLAT_PIECES];
    size_t count;
};

/* What lies before `span`, and the span. */
static bool cut(struct cutter *c, struct prl_span span, enum prl_flat_kind kind)
{
    const struct prl_flat_part none = {0, 0}, before = {(uint32_t)(c->at - c->text),
                                                        (uint32_t)(span.at - c->at)};
    if (c->count + 2 > PRL_FLAT_PIECES)
        return false;
    c->pieces[c->count++] = (struct prl_flat_piece){PRL_FLAT_TEXT, before};
    if (kind != PRL_FLAT_TEXT)
        c->pieces[c->count++] = (struct prl_flat_piece){kind, none};
    c->at = span.at + span.len;
    return true;
}

/* The ids up to `end`, which is no part of one. */
static bool cut_ids(struct cutter *c, const char *id, const char *end)
{
    const char *at;
    uint32_t len;
    while ((at = find_id(c->at, (size_t)(end - c->at), id, &len)))
        if (!cut(c, (struct prl_span){at, len},
                 len == PRL_ID_FULL ? PRL_FLAT_ID : PRL_FLAT_SHORT_ID))
            return false;
    return true;
}

static bool add_text(struct writer *w, struct prl_flat_head *h, const struct prl_flat_start *s)
{
    struct cutter c = {.text = s->json, .at = s->json, .end = s->json + s->json_len};
    const char *id = s->words.id;
    struct prl_span args, name;
    if (!find_words(s, &args, &name))
        return false;
    if (args.at &&
        (!cut_ids(&c, id, args.at) || !cut(&c, args, PRL_FLAT_ARGS))) /* before annotations */
        return false;
    if (name.at &&
        (name.at < c.at || !cut_ids(&c, id, name.at) || !cut(&c, name, PRL_FLAT_NAME)))
        return false;
    const struct prl_span nothing = {c.end, 0};
    return cut_ids(&c, id, c.end) && cut(&c, nothing, PRL_FLAT_TEXT) &&
           add_part(w, c.pieces, c.count * sizeof *c.pieces, &h->pieces) &&
           add_part(w, s->json, s->json_len, &h->text);
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
static bool add_filter(struct writer *w, struct prl_flat_head *h,
                       const struct prl_flat_start *s)
{
    _cleanup_free_ char *bytes = NULL;
    size_t len = 0;
    const char *path = s->spec->seccomp_program;
    if (path && is_source(s->template->sources, path) &&
        (prl_io_read_file(AT_FDCWD, path, PRL_FLAT_MAX_BYTES, &bytes, &len) < 0 ||
         len % 8 != 0))
        return false;
    return add_part(w, bytes, len, &h->filter);
}

static uint32_t count_begin(const struct prl_flat_start *s)
{
    uint32_t all = 0, given = 0;
    while (s->spec->process.args[all])
        all++;
    while (s->words.args[given])
        given++;
    return given ? all - given : PRL_FLAT_ARGS_FIXED;
}

static bool fill(struct writer *w, struct prl_span key, const struct prl_flat_start *s,
                 const struct prl_spec *other)
{
    struct prl_flat_head h = {.template = s->template->identity, .args_begin = count_begin(s)};
    struct prl_flat_part self;
    size_t len = 0, other_len = 0;
    const unsigned char *one = prl_arena_piece(s->spec->arena, &len);
    const unsigned char *two = prl_arena_piece(other->arena, &other_len);
    if (!one || !two || len != other_len || (const void *)one != (const void *)s->spec ||
        !add_part(w, &h, sizeof h, &self) || !add_part(w, key.at, key.len, &h.key) ||
        !add_part(w, s->template->sources, strlen(s->template->sources) + 1, &h.sources) ||
        !add_spec(w, &h, one, two, len) || !add_ids(w, &h, s->words.id) ||
        !add_text(w, &h, s) || !add_filter(w, &h, s))
        return false;
    memcpy(h.magic, PRL_FLAT_MAGIC, sizeof h.magic);
    h.len = (uint32_t)w->len;
    memcpy(w->bytes, &h, sizeof h);
    h.sum = prl_flat_sum(w->bytes, w->len);
    memcpy(w->bytes, &h, sizeof h);
    return true;
}

/* Made under this key; then it is of no use any more, or this start would have found it. */
static bool has_key(int fd, struct prl_span key)
{
    struct prl_flat_head h;
    char text[4096];
    return key.len <= sizeof text && pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h &&
           h.key.len == key.len && pread(fd, text, key.len, h.key.at) == (ssize_t)key.len &&
           memcmp(text, key.at, key.len) == 0;
}

/* Another's, and young: options that are never twice the same would have each start write a
 * file for nobody. */
static bool is_taken(const struct prl_dirs *dirs, const char *path, struct prl_span key)
{
    struct stat st;
    struct timespec now;
    _cleanup_close_ int fd =
        openat(dirs->runtime_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fstat(fd, &st) == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
           st.st_mtim.tv_sec <= now.tv_sec && now.tv_sec - st.st_mtim.tv_sec < YOUNG_SECONDS &&
           !has_key(fd, key);
}

/* The first of the key's slots that it may have. */
static bool choose(const struct prl_dirs *dirs, struct prl_span key, char ret[16])
{
    for (unsigned choice = 0; choice < PRL_FLAT_CHOICES; choice++) {
        prl_flat_slot(key, choice, ret);
        if (!is_taken(dirs, ret, key))
            return true;
    }
    return false;
}

static void publish(const struct prl_dirs *dirs, const char *path, const struct writer *w)
{
    char link[32];
    mkdirat(dirs->runtime_fd, "flat", 0700);
    _cleanup_close_ int fd =
        openat(dirs->runtime_fd, "flat", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || prl_io_write_all(fd, w->bytes, w->len) < 0)
        return;
    prl_sys_fd_path(fd, link);
    if (linkat(AT_FDCWD, link, dirs->runtime_fd, path, AT_SYMLINK_FOLLOW) == 0 ||
        errno != EEXIST || unlinkat(dirs->runtime_fd, path, 0) < 0)
        return;
    (void)linkat(AT_FDCWD, link, dirs->runtime_fd, path, AT_SYMLINK_FOLLOW);
}

void prl_flat_keep(const struct prl_dirs *dirs, struct prl_span key,
                   const struct prl_flat_start *start)
{
    char path[16];
    struct prl_error ignored;
    struct prl_spec *other = NULL;
    if (!choose(dirs, key, path) ||
        prl_spec_parse(start->parsed, start->parsed_len, &other, &ignored) < 0)
        return;
    struct writer w = {.room = PRL_FLAT_MAX_BYTES};
    w.bytes = malloc(w.room);
    if (w.bytes && fill(&w, key, start, other))
        publish(dirs, path, &w);
    free(w.bytes);
    prl_spec_free(other);
}
