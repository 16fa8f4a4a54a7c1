/* json.c: JSON bytes → a tree that is safe to walk.
 * In: bytes from strangers.  Out: a yyjson tree, or a sentence with the byte position or the
 * JSON path.  Never: the meaning of a field.  yyjson's reader is not recursive, so deep nesting
 * costs it nothing; this file's walk is, so it checks the depth before it goes down. */
#include "spec/json.h"

#include "base/own.h"
#include "spec/fields.h"
#include "spec/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_ON_STACK = 48, ROOM_MIN = 4 };

struct prl_spec_shown prl_spec_show(const char *text)
{
    struct prl_spec_shown shown = {""};
    size_t room = sizeof shown.text - 1, len = strlen(text);
    if (len <= room) {
        memcpy(shown.text, text, len);
        return shown;
    }
    len = room - 3;
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--; /* not in the middle of a UTF-8 sequence */
    memcpy(shown.text, text, len);
    memcpy(shown.text + len, "...", 4);
    return shown;
}

static void cut_partial_utf8(char *text)
{
    size_t len = strlen(text), start = len;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (len - start < need)
        text[start - 1] = '\0';
}

int prl_spec_fail(const struct prl_spec_reader *reader, const char *format, ...)
{
    char text[sizeof reader->reterr->subject];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    cut_partial_utf8(text);
    /* A terminal may read this text: C0, DEL and C1 controls must not come through. */
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7F)
            *p = '?';
        if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9F)
            p[0] = p[1] = '?';
    }
    return prl_failf(reader->reterr, PRL_STAGE_CONFIG, EINVAL, "config.json", "%s", text);
}

/* The path of `place` into buf, root first; returns its length. */
static size_t render_place(const struct prl_spec_place *place, char *buf, size_t size)
{
    if (!place || !place->up) {
        buf[0] = '\0';
        return 0;
    }
    size_t used = render_place(place->up, buf, size);
    int n = place->key
                ? snprintf(buf + used, size - used, "/%s", prl_spec_show(place->key).text)
                : snprintf(buf + used, size - used, "/%zu", place->index);
    if (n < 0 || (size_t)n >= size - used)
        return size - 1;
    return used + (size_t)n;
}

int prl_spec_fail_at(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                     const char *format, ...)
{
    char sentence[160], path[sizeof reader->reterr->subject - 80];
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    if (render_place(place, path, sizeof path) == 0)
        return prl_spec_fail(reader, "config.json %s", sentence);
    return prl_spec_fail(reader, "%s %s", path, sentence);
}

int prl_spec_keep(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                  const char *key, yyjson_val *value)
{
    char path[256];
    size_t len, path_len = render_place(place, path, sizeof path);
    struct prl_spec *spec = reader->keep;
    struct prl_extra *list =
        prl_spec_grow(reader, spec->extras, spec->extras_len, sizeof *list);
    char *json = list ? yyjson_val_write_opts(value, 0, NULL, &len, NULL) : NULL;
    if (!json)
        return prl_spec_no_memory(reader);
    struct prl_extra *extra = &list[spec->extras_len++];
    extra->place = prl_arena_strndup(reader->arena, path, path_len);
    extra->key = prl_arena_strndup(reader->arena, key, strlen(key));
    extra->json = prl_arena_strndup(reader->arena, json, len);
    spec->extras = list;
    free(json);
    return extra->place && extra->key && extra->json ? 0 : prl_spec_no_memory(reader);
}

int prl_spec_no_memory(const struct prl_spec_reader *reader)
{
    return prl_failf(reader->reterr, PRL_STAGE_CONFIG, ENOMEM, "config.json",
                     "not enough memory to read config.json");
}

const char *prl_spec_kind(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return "a boolean";
    case YYJSON_TYPE_NUM:
        return "a number";
    case YYJSON_TYPE_STR:
        return "a string";
    case YYJSON_TYPE_ARR:
        return "an array";
    case YYJSON_TYPE_OBJ:
        return "an object";
    default:
        return "nothing";
    }
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_nul(yyjson_val *text)
{
    return memchr(yyjson_get_str(text), '\0', yyjson_get_len(text)) != NULL;
}

/* Keys without NUL, each only once: a second one would be read by some programs and not by
 * others. */
static int check_keys(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                      yyjson_val *object)
{
    const char *few[KEYS_ON_STACK];
    _cleanup_free_ const char **many = NULL;
    const char **keys = few;
    size_t count = yyjson_obj_size(object), i, max;
    yyjson_val *key, *value;
    if (count > KEYS_ON_STACK) {
        keys = many = calloc(count, sizeof *many);
        if (!many)
            return prl_spec_no_memory(reader);
    }
    yyjson_obj_foreach(object, i, max, key, value)
    {
        if (has_nul(key))
            return prl_spec_fail_at(reader, place, "has a key with a NUL byte in it");
        keys[i] = yyjson_get_str(key);
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (i = 1; i < count; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return prl_spec_fail_at(reader, place, "has the key \"%s\" twice",
                                    prl_spec_show(keys[i]).text);
    return 0;
}

static int check_tree(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                      yyjson_val *value, unsigned depth);

static int check_members(const struct prl_spec_reader *reader,
                         const struct prl_spec_place *place, yyjson_val *object, unsigned depth)
{
    size_t i, max;
    yyjson_val *key, *value;
    int r = check_keys(reader, place, object);
    if (r < 0)
        return r;
    yyjson_obj_foreach(object, i, max, key, value)
    {
        struct prl_spec_place inner = {.up = place, .key = yyjson_get_str(key)};
        r = check_tree(reader, &inner, value, depth);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_elements(const struct prl_spec_reader *reader,
                          const struct prl_spec_place *place, yyjson_val *array, unsigned depth)
{
    size_t i, max;
    yyjson_val *value;
    yyjson_arr_foreach(array, i, max, value)
    {
        struct prl_spec_place inner = {.up = place, .index = i};
        int r = check_tree(reader, &inner, value, depth);
        if (r < 0)
            return r;
    }
    return 0;
}

/* depth: how many containers are around `value`. */
static int check_tree(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                      yyjson_val *value, unsigned depth)
{
    if (yyjson_is_str(value) && has_nul(value))
        return prl_spec_fail_at(reader, place, "has a NUL byte in it");
    if (!yyjson_is_ctn(value))
        return 0;
    if (depth == PRL_SPEC_MAX_DEPTH)
        return prl_spec_fail(reader, "config.json is nested deeper than %d levels",
                             PRL_SPEC_MAX_DEPTH);
    if (yyjson_is_obj(value))
        return check_members(reader, place, value, depth + 1);
    return check_elements(reader, place, value, depth + 1);
}

int prl_spec_read_json(const struct prl_spec_reader *reader, const char *json, size_t len,
                       yyjson_doc **ret)
{
    yyjson_read_err error;
    if (len > PRL_SPEC_MAX_BYTES)
        return prl_spec_fail(reader, "config.json has %zu bytes, at most %d are read", len,
                             PRL_SPEC_MAX_BYTES);
    if (!json || len == 0)
        return prl_spec_fail(reader, "config.json is empty");
    /* Without YYJSON_READ_INSITU the input is only read. */
    yyjson_doc *doc = yyjson_read_opts((char *)json, len, 0, NULL, &error);
    if (!doc) {
        if (error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return prl_spec_no_memory(reader);
        if (error.code == YYJSON_READ_ERROR_UNEXPECTED_END)
            return prl_spec_fail(reader, "config.json ends too early, at byte %zu of %zu: %s",
                                 error.pos, len, error.msg);
        return prl_spec_fail(reader, "config.json is not valid JSON at byte %zu: %s", error.pos,
                             error.msg);
    }
    struct prl_spec_place root = {.up = NULL};
    int r = check_tree(reader, &root, yyjson_doc_get_root(doc), 0);
    if (r < 0) {
        yyjson_doc_free(doc);
        return r;
    }
    *ret = doc;
    return 0;
}

int prl_spec_copy_text(const struct prl_spec_reader *reader, yyjson_val *text, const char **ret)
{
    *ret = NULL;
    if (!text)
        return 0;
    *ret = prl_arena_strndup(reader->arena, yyjson_get_str(text), yyjson_get_len(text));
    return *ret ? 0 : prl_spec_no_memory(reader);
}

/* Elements that an array of so many has room for: always the same for one number, so that an
 * array can grow without a word about its size. */
static size_t room_of(size_t count)
{
    size_t room = ROOM_MIN;
    while (room < count + 1)
        room *= 2;
    return room;
}

int prl_spec_new_array(const struct prl_spec_reader *reader, size_t count, size_t element_size,
                       void *ret)
{
    void *array = prl_arena_alloc(reader->arena, room_of(count) * element_size);
    memcpy(ret, &array, sizeof array);
    return array ? 0 : prl_spec_no_memory(reader);
}

void *prl_spec_grow(const struct prl_spec_reader *reader, const void *list, size_t len,
                    size_t element_size)
{
    void *larger = (void *)(uintptr_t)list;
    if (list && room_of(len) == room_of(len + 1))
        return larger;
    if (prl_spec_new_array(reader, len + 1, element_size, &larger) < 0)
        return NULL;
    return len ? memcpy(larger, list, len * element_size) : larger;
}

int prl_spec_copy_texts(const struct prl_spec_reader *reader, yyjson_val *list,
                        const char *const **ret)
{
    const char **texts;
    size_t i, max;
    yyjson_val *text;
    int r = prl_spec_new_array(reader, yyjson_arr_size(list), sizeof *texts, &texts);
    if (r < 0)
        return r;
    yyjson_arr_foreach(list, i, max, text)
    {
        r = prl_spec_copy_text(reader, text, &texts[i]);
        if (r < 0)
            return r;
    }
    *ret = texts;
    return 0;
}
