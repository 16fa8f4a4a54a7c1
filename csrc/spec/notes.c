/* notes.c: the one table of the annotations io.pyrootless.*, in both directions.
 * In: key and text.  Out: fields of prl_spec; of these, the text.  Never: an annotation of
 * somebody else changed: what no row has is kept as a pair.
 *
 * docs/reference/annotations.md says what the annotations mean; complete.c checks what
 * belongs together. */
#include "spec/notes.h"

#include "limits/exports.h"
#include "spec/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum kind {
    TEXT,    /* of a form of its own: see check_text */
    PATH,    /* absolute */
    FLAG,    /* 0 or 1 */
    NUMBER,  /* min … max, decimal digits */
    LINES,   /* absolute paths, one a line */
    WORD,    /* one of words[], by its number */
    PORTS,   /* spec/sections/network.c */
    CGROUPS, /* spec/sections/resources.c */
    VOLUMES, /* spec/sections/volumes.c */
};

enum { ALWAYS = 1, ON_DISK };

enum { UPPER = 1, DRIVER, KEYRING, FAKE_ROOT, HELPER, LIMITS_HOW, LOG };

enum { WORDS = 5 };

static const char words[][WORDS][16] = {
    [UPPER] = {"", "tmpfs", "disk"},
    [DRIVER] = {"", "overlay", "fuse-overlayfs"},
    [KEYRING] = {"inherit", "new"},
    [FAKE_ROOT] = {"off", "silent", "remember"},
    [HELPER] = {"", "pasta", "slirp4netns"},
    [LIMITS_HOW] = {"strict", "best-effort"},
    [LOG] = {"json-file", "k8s-file", "none", "passthrough", "journald"},
};

static const char expected_word[][56] = {
    [UPPER] = "tmpfs or disk",
    [DRIVER] = "overlay or fuse-overlayfs",
    [KEYRING] = "new or inherit",
    [FAKE_ROOT] = "remember, silent or off",
    [HELPER] = "pasta or slirp4netns",
    [LIMITS_HOW] = "strict or best-effort",
    [LOG] = "json-file, k8s-file, none, passthrough or journald",
};

struct row {
    char name[28];
    uint8_t kind;
    uint8_t words; /* WORD: of which list; FLAG: when it is written as 0, too */
    uint16_t at, size;
    uint64_t min, max;
};

#define SPEC(field) offsetof(struct prl_spec, field), sizeof(((struct prl_spec *)0)->field)

static const struct row rows[] = {
    {"rootfs.lower", LINES, 0, SPEC(rootfs.lowers), 0, 0},
    {"rootfs.upper", WORD, UPPER, SPEC(rootfs.upper), 0, 0},
    {"rootfs.upper.path", PATH, 0, SPEC(rootfs.upper_path), 0, 0},
    {"rootfs.upper.work", PATH, 0, SPEC(rootfs.work_path), 0, 0},
    {"rootfs.upper.volatile", FLAG, ON_DISK, SPEC(rootfs.upper_volatile), 0, 0},
    {"rootfs.upper.size", NUMBER, 0, SPEC(rootfs.upper_size_bytes), 0, UINT64_MAX},
    {"rootfs.upper.inodes", NUMBER, 0, SPEC(rootfs.upper_inodes), 0, UINT64_MAX},
    {"rootfs.driver", WORD, DRIVER, SPEC(rootfs.driver), 0, 0},
    {"rootfs.fuse.program", PATH, 0, SPEC(rootfs.fuse_program), 0, 0},
    {"seccomp.program", PATH, 0, SPEC(seccomp_program), 0, 0},
    {"seccomp.digest", TEXT, 0, SPEC(seccomp_digest), 0, 0},
    {"landlock", FLAG, ALWAYS, SPEC(landlock), 0, 0},
    {"keyring", WORD, KEYRING, SPEC(new_keyring), 0, 0},
    {"keep-groups", FLAG, 0, SPEC(process.keep_groups), 0, 0},
    {"init", FLAG, 0, SPEC(init), 0, 0},
    {"verify", FLAG, 0, SPEC(verify), 0, 0},
    {"stop-signal", NUMBER, 0, SPEC(stop_signal), 1, 64},
    {"wall-limit-ns", NUMBER, 0, SPEC(wall_limit_ns), 0, UINT64_MAX},
    {"cpu-limit-ns", NUMBER, 0, SPEC(resources.cpu_time_ns), 0, UINT64_MAX},
    {"log.driver", WORD, LOG, SPEC(log.driver), 0, 0},
    {"log.max-size", NUMBER, 0, SPEC(log.max_bytes), 0, UINT64_MAX},
    {"log.max-file", NUMBER, 0, SPEC(log.max_files), 1, 1000},
    {"health.test", TEXT, 0, SPEC(health.test), 0, 0},
    {"health.interval-ns", NUMBER, 0, SPEC(health.interval_ns), 0, UINT64_MAX},
    {"health.timeout-ns", NUMBER, 0, SPEC(health.timeout_ns), 0, UINT64_MAX},
    {"health.start-period-ns", NUMBER, 0, SPEC(health.start_period_ns), 0, UINT64_MAX},
    {"health.start-interval-ns", NUMBER, 0, SPEC(health.start_interval_ns), 0, UINT64_MAX},
    {"health.retries", NUMBER, 0, SPEC(health.retries), 0, UINT32_MAX},
    {"lent", LINES, 0, SPEC(lent), 0, 0},
    {"unseen", LINES, 0, SPEC(unseen), 0, 0},
    {"volumes", VOLUMES, 0, SPEC(volumes), 0, 0},
    {"volumes.new", TEXT, 0, SPEC(volumes_new), 0, 0},
    {"fake-root", WORD, FAKE_ROOT, SPEC(fake_root), 0, 0},
    {"fake-root.owners", PATH, 0, SPEC(fake_root_owners), 0, 0},
    {"launcher", PATH, 0, SPEC(launcher), 0, 0},
    {"userns.holder", PATH, 0, SPEC(holder), 0, 0},
    {"network", WORD, HELPER, SPEC(network.helper), 0, 0},
    {"network.program", PATH, 0, SPEC(network.program), 0, 0},
    {"network.ports", PORTS, 0, SPEC(network.ports), 0, 0},
    {"network.mtu", NUMBER, 0, SPEC(network.mtu), 68, 65521},
    {"network.mac", TEXT, 0, SPEC(network.mac), 0, 0},
    {"network.dns-forward", FLAG, 0, SPEC(network.dns_forward), 0, 0},
    {"network.gateway", FLAG, 0, SPEC(network.gateway), 0, 0},
    {"network.allow", TEXT, 0, SPEC(network.allow), 0, 0},
    {"network.container", TEXT, 0, SPEC(network.container), 0, 0},
    {"limits", WORD, LIMITS_HOW, SPEC(resources.best_effort), 0, 0},
    {"limits.cgroups", CGROUPS, 0, SPEC(resources.cgroups), 0, 0},
};

enum { ROWS = sizeof rows / sizeof *rows };

static const char PREFIX[] = PRL_SPEC_NOTE;

/* One annotation under way. */
struct given {
    const struct prl_spec_reader *reader;
    const char *key, *text;
};

int prl_spec_note_fail(const struct prl_spec_reader *reader, const struct prl_note *note,
                       const char *expected)
{
    return prl_spec_fail(reader, "/annotations/%s is \"%s\", expected %s", note->key,
                         prl_spec_show(note->value).text, expected);
}

static int fail(const struct given *given, const char *expected)
{
    const struct prl_note note = {given->key, given->text};
    return prl_spec_note_fail(given->reader, &note, expected);
}

static uint64_t get_field(const struct prl_spec *spec, const struct row *row)
{
    const void *at = (const char *)spec + row->at;
    uint8_t one = 0;
    uint32_t four = 0;
    uint64_t eight = 0;
    memcpy(row->size == 1   ? (void *)&one
           : row->size == 4 ? (void *)&four
                            : &eight,
           at, row->size);
    return one + four + eight;
}

static void put_pointer(struct prl_spec *spec, const struct row *row, const void *value)
{
    memcpy((char *)spec + row->at, &value, sizeof value);
}

static const void *get_pointer(const struct prl_spec *spec, const struct row *row)
{
    const void *value;
    memcpy(&value, (const char *)spec + row->at, sizeof value);
    return value;
}

static int read_number(const struct given *given, const struct row *row, uint64_t *ret)
{
    char expected[72];
    uint64_t number = 0;
    bool good = *given->text;
    for (const char *p = given->text; good && *p; p++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        good = digit <= 9 && number <= (row->max - digit % 10) / 10;
        number = number * 10 + digit;
    }
    *ret = number;
    if (good && number >= row->min)
        return 0;
    snprintf(expected, sizeof expected, "a whole number from %" PRIu64 " to %" PRIu64,
             good || row->min > 1 ? row->min : 0, row->max);
    return fail(given, expected);
}

static int read_lines(const struct given *given, const char *const **ret)
{
    const char *text = given->text, **lines;
    size_t count = 1;
    for (const char *p = text; *p; p++)
        count += *p == '\n';
    int r = prl_spec_new_array(given->reader, count, sizeof *lines, &lines);
    for (size_t i = 0; r == 0 && i < count; i++) {
        size_t len = strcspn(text, "\n");
        if (*text != '/')
            return fail(given, "absolute directories, one a line");
        lines[i] = prl_arena_strndup(given->reader->arena, text, len);
        if (!lines[i])
            return prl_spec_no_memory(given->reader);
        text += len + 1;
    }
    *ret = lines;
    return r;
}

static int read_word(const struct given *given, const struct row *row, uint64_t *ret)
{
    for (*ret = 0; *ret < WORDS; ++*ret)
        if (*words[row->words][*ret] && strcmp(words[row->words][*ret], given->text) == 0)
            return 0;
    return fail(given, expected_word[row->words]);
}

static int read_text(const struct given *given, const char *name, const char **ret)
{
    static const char hex[] = "0123456789abcdef";
    const char *text = given->text, *expected = NULL;
    if (strcmp(name, "seccomp.digest") == 0)
        expected = strncmp(text, "sha256:", 7) != 0 || strlen(text) != 7 + 64 ||
                           strspn(text + 7, hex) != 64
                       ? "sha256: and 64 hexadecimal digits"
                       : NULL;
    else if (strcmp(name, "network.container") == 0)
        expected = strlen(text) != 64 || strspn(text, hex) != 64
                       ? "the id of a container, 64 hexadecimal digits"
                       : NULL;
    else if (strcmp(name, "volumes.new") == 0)
        expected = prl_spec_volumes_new_form(text);
    else if (strcmp(name, "health.test") == 0)
        expected = *text != '[' ? "a JSON array of words" : NULL;
    else
        expected = prl_spec_network_form(name, text);
    if (expected)
        return fail(given, expected);
    *ret = prl_arena_strndup(given->reader->arena, text, strlen(text));
    return *ret ? 0 : prl_spec_no_memory(given->reader);
}

static int read_row(const struct given *given, const struct row *row, struct prl_spec *spec)
{
    const struct prl_note note = {given->key, given->text};
    const char *const *lines = NULL;
    const char *text = NULL;
    uint64_t number = 0;
    int r = 0;
    switch (row->kind) {
    case LINES:
        r = read_lines(given, &lines);
        put_pointer(spec, row, lines);
        return r;
    case PATH: {
        const struct prl_spec_place root = {.up = NULL},
                                    map = {.up = &root, .key = "annotations"},
                                    place = {.up = &map, .key = given->key};
        text = prl_arena_strndup(given->reader->arena, given->text, strlen(given->text));
        r = text ? prl_spec_need_absolute(given->reader, &place, text)
                 : prl_spec_no_memory(given->reader);
        put_pointer(spec, row, text);
        return r;
    }
    case TEXT:
        r = read_text(given, row->name, &text);
        put_pointer(spec, row, text);
        return r;
    case PORTS:
        return prl_spec_read_ports(given->reader, &note, &spec->network);
    case CGROUPS:
        return prl_spec_read_cgroups(given->reader, &note, &spec->resources);
    case VOLUMES:
        return prl_spec_read_volumes(given->reader, &note, spec);
    case FLAG:
        number = given->text[0] == '1';
        r = (given->text[0] & ~1) == '0' && !given->text[1] ? 0 : fail(given, "0 or 1");
        break;
    case WORD:
        r = read_word(given, row, &number);
        break;
    default:
        r = read_number(given, row, &number);
    }
    if (r == 0) {
        /* Fields of one, four or eight bytes. */
        const uint8_t one = (uint8_t)number;
        const uint32_t four = (uint32_t)number;
        const void *from = row->size == 1 ? (const void *)&one : (const void *)&four;
        memcpy((char *)spec + row->at, row->size == 8 ? &number : from, row->size);
    }
    return r;
}

static const struct row *find_row(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static void clear_row(const struct row *row, struct prl_spec *spec)
{
    memset((char *)spec + row->at, 0, row->size);
    if (row->kind == PORTS)
        spec->network.ports_len = 0;
    if (row->kind == CGROUPS)
        spec->resources.cgroups_len = 0;
    if (row->kind == VOLUMES)
        spec->volumes_len = 0;
    if (row->kind == NUMBER && row->at == offsetof(struct prl_spec, stop_signal))
        spec->stop_signal = PRL_SPEC_STOP_SIGNAL;
    if (row->words == KEYRING && row->kind == WORD)
        spec->new_keyring = true;
}

/* --- limits.NAME and limits.NAME.exactness --- */

/* "limits.memory" → PRL_LIMIT_MEMORY; PRL_LIMITS: no such name. */
static unsigned find_limit(const char *name, bool *ret_exactness)
{
    static const char begin[] = "limits.", end[] = ".exactness";
    if (strncmp(name, begin, sizeof begin - 1) != 0)
        return PRL_LIMITS;
    name += sizeof begin - 1;
    for (unsigned i = 0; i < PRL_LIMITS; i++) {
        const char *limit = prl_limit_name(i);
        size_t len = strlen(limit);
        *ret_exactness = strcmp(name + (strncmp(name, limit, len) == 0 ? len : 0), end) == 0;
        if (*ret_exactness || strcmp(name, limit) == 0)
            return i;
    }
    return PRL_LIMITS;
}

/* --- pairs that no row has --- */

static size_t find_pair(const struct prl_spec *spec, const char *key)
{
    size_t i = 0;
    while (i < spec->notes_len && strcmp(spec->notes[i].key, key) != 0)
        i++;
    return i;
}

/* At place `at`, which is an older pair's or the end of all. */
static int write_pair(const struct given *given, struct prl_spec *spec, size_t at)
{
    struct prl_arena *arena = given->reader->arena;
    struct prl_note *list =
        prl_spec_grow(given->reader, spec->notes, spec->notes_len, sizeof *list);
    const struct prl_note pair = {prl_arena_strndup(arena, given->key, strlen(given->key)),
                                  prl_arena_strndup(arena, given->text, strlen(given->text))};
    if (!list || !pair.key || !pair.value)
        return prl_spec_no_memory(given->reader);
    list[at] = pair;
    spec->notes = list;
    spec->notes_len += at == spec->notes_len;
    return 0;
}

static int put_pair(const struct given *given, struct prl_spec *spec)
{
    size_t at = find_pair(spec, given->key);
    if (given->text)
        return write_pair(given, spec, at);
    struct prl_note *list = (struct prl_note *)(uintptr_t)spec->notes;
    if (at < spec->notes_len)
        memmove(list + at, list + at + 1, (--spec->notes_len - at) * sizeof *list);
    return 0;
}

static int set(const struct given *given, struct prl_spec *spec,
               int (*pair)(const struct given *given, struct prl_spec *spec))
{
    bool exactness = false, ours = strncmp(given->key, PREFIX, sizeof PREFIX - 1) == 0;
    const char *name = given->key + (ours ? sizeof PREFIX - 1 : 0);
    const struct row *row = ours ? find_row(name) : NULL;
    unsigned limit = ours && !row ? find_limit(name, &exactness) : PRL_LIMITS;
    if (limit < PRL_LIMITS) {
        struct prl_resources *to = &spec->resources;
        enum prl_enforcement enforcement =
            given->text ? prl_enforcement_find(given->text) : PRL_BY_UNSET;
        if (exactness) {
            bool weak = given->text && strcmp(given->text, "exact") != 0;
            to->weak = (to->weak & ~(1u << limit)) | (unsigned)weak << limit;
            return 0;
        }
        to->held_by[limit] = (uint8_t)enforcement;
        if (given->text && enforcement == PRL_BY_UNSET)
            return prl_spec_fail(given->reader,
                                 "/annotations/%s is \"%s\", which names no enforcement",
                                 given->key, prl_spec_show(given->text).text);
        return 0;
    }
    if (!row)
        return pair(given, spec);
    if (given->text)
        return read_row(given, row, spec);
    clear_row(row, spec);
    return 0;
}

int prl_spec_note_set(const struct prl_spec_reader *reader, struct prl_spec *spec,
                      const char *key, const char *text)
{
    const struct given given = {reader, key, text};
    return set(&given, spec, put_pair);
}

/* Of a document, which has each key once: nobody looks for an older one. */
static int append_pair(const struct given *given, struct prl_spec *spec)
{
    return write_pair(given, spec, spec->notes_len);
}

int prl_spec_read_notes(const struct prl_spec_reader *reader, yyjson_val *annotations,
                        struct prl_spec *ret)
{
    size_t i, max;
    yyjson_val *key, *value;
    int r = 0;
    for (size_t n = 0; n < ROWS; n++)
        clear_row(&rows[n], ret);
    if (!annotations) /* yyjson's loop adds to the null pointer */
        return 0;
    yyjson_obj_foreach(annotations, i, max, key, value)
    {
        const struct given given = {reader, yyjson_get_str(key), yyjson_get_str(value)};
        r = set(&given, ret, append_pair);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- the other direction --- */

static char *join_lines(struct prl_arena *arena, const char *const *lines)
{
    size_t len = 0;
    for (size_t i = 0; lines[i]; i++)
        len += strlen(lines[i]) + 1;
    char *text = prl_arena_alloc(arena, len + 1), *end = text;
    for (size_t i = 0; text && lines[i]; i++) {
        if (i)
            *end++ = '\n';
        end = mempcpy(end, lines[i], strlen(lines[i]));
    }
    return text;
}

/* *ret NULL: it is not said. */
static int show_row(struct prl_arena *arena, const struct row *row, const struct prl_spec *spec,
                    const char **ret)
{
    switch (row->kind) {
    case TEXT:
    case PATH:
        *ret = get_pointer(spec, row);
        return 0;
    case FLAG:
        *ret = get_field(spec, row) ? "1" : NULL;
        if (!*ret && (row->words == ALWAYS ||
                      (row->words == ON_DISK && spec->rootfs.upper == PRL_UPPER_DISK)))
            *ret = "0";
        return 0;
    case WORD:
        *ret = words[row->words][get_field(spec, row)];
        if (get_field(spec, row) == 0 && row->words != KEYRING)
            *ret = NULL;
        return 0;
    default: {
        /* Of the kinds whose text must be made first. */
        const char *const *lines = row->kind == LINES ? get_pointer(spec, row) : NULL;
        uint64_t number = row->kind == NUMBER ? get_field(spec, row) : 0;
        *ret = NULL;
        if (lines)
            *ret = join_lines(arena, lines);
        else if (number)
            *ret = prl_arena_printf(arena, "%" PRIu64, number);
        else if (row->kind == PORTS && spec->network.ports_len)
            *ret = prl_spec_show_ports(arena, &spec->network);
        else if (row->kind == CGROUPS && spec->resources.cgroups_len)
            *ret = prl_spec_show_cgroups(arena, &spec->resources);
        else if (row->kind == VOLUMES && spec->volumes_len)
            *ret = prl_spec_show_volumes(arena, spec);
        else
            return 0;
        return *ret ? 0 : -ENOMEM;
    }
    }
}

static const char *show_limit(const struct prl_spec *spec, unsigned limit, bool exactness)
{
    const struct prl_resources *of = &spec->resources;
    const char *text = exactness ? prl_exactness_name(of->held_by[limit], of->weak >> limit & 1)
                                 : prl_enforcement_name(of->held_by[limit]);
    return *text ? text : NULL;
}

int prl_spec_note_get(struct prl_arena *arena, const struct prl_spec *spec, const char *key,
                      const char **ret)
{
    bool exactness = false, ours = strncmp(key, PREFIX, sizeof PREFIX - 1) == 0;
    const char *name = key + (ours ? sizeof PREFIX - 1 : 0);
    const struct row *row = ours ? find_row(name) : NULL;
    unsigned limit = ours && !row ? find_limit(name, &exactness) : PRL_LIMITS;
    if (row)
        return show_row(arena, row, spec, ret);
    size_t at = find_pair(spec, key);
    *ret = at < spec->notes_len ? spec->notes[at].value : NULL;
    if (limit < PRL_LIMITS)
        *ret = show_limit(spec, limit, exactness);
    return 0;
}

int prl_spec_each_note(struct prl_arena *arena, const struct prl_spec *spec,
                       void (*take)(void *data, const char *key, const char *text), void *data)
{
    char key[64];
    const char *text;
    int r = 0;
    for (size_t i = 0; r == 0 && i < ROWS; i++) {
        r = show_row(arena, &rows[i], spec, &text);
        if (r < 0 || !text)
            continue;
        snprintf(key, sizeof key, "%s%.28s", PREFIX, rows[i].name);
        take(data, key, text);
    }
    for (unsigned i = 0; i < 2 * PRL_LIMITS; i++) {
        text = show_limit(spec, i / 2, i % 2);
        if (!text)
            continue;
        snprintf(key, sizeof key, "%slimits.%s%s", PREFIX, prl_limit_name(i / 2),
                 i % 2 ? ".exactness" : "");
        take(data, key, text);
    }
    for (size_t i = 0; i < spec->notes_len; i++)
        take(data, spec->notes[i].key, spec->notes[i].value);
    return r;
}
