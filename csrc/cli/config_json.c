/* config_json.c: words for changing the document of a merge.
 * In: a merge, a place, a text.  Out: the changed document.  Never: a meaning, a default. */
#include "cli/config_merge.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int prl_config_memory(struct prl_merge *m)
{
    return prl_fail_with(m->reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "config.json");
}

void prl_config_set(struct prl_merge *m, yyjson_mut_val *object, const char *key,
                    yyjson_mut_val *value)
{
    yyjson_mut_val *name = yyjson_mut_strcpy(m->doc, key);

    if (!name || !value || !yyjson_mut_obj_put(object, name, value))
        m->no_memory = true;
}

/* The member when it has the wanted type, else a fresh one in its place. */
static yyjson_mut_val *member(struct prl_merge *m, yyjson_mut_val *parent, const char *key,
                              bool array)
{
    yyjson_mut_val *value = yyjson_mut_obj_get(parent, key);

    if (array ? yyjson_mut_is_arr(value) : yyjson_mut_is_obj(value))
        return value;
    value = array ? yyjson_mut_arr(m->doc) : yyjson_mut_obj(m->doc);
    prl_config_set(m, parent, key, value);
    return value;
}

yyjson_mut_val *prl_config_object(struct prl_merge *m, yyjson_mut_val *parent, const char *key)
{
    return member(m, parent, key, false);
}

yyjson_mut_val *prl_config_array(struct prl_merge *m, yyjson_mut_val *parent, const char *key)
{
    return member(m, parent, key, true);
}

yyjson_mut_val *prl_config_linux(struct prl_merge *m)
{
    return member(m, m->root, "linux", false);
}

yyjson_mut_val *prl_config_process(struct prl_merge *m)
{
    return member(m, m->root, "process", false);
}

void prl_config_set_text(struct prl_merge *m, yyjson_mut_val *object, const char *key,
                         const char *text)
{
    prl_config_set(m, object, key, yyjson_mut_strcpy(m->doc, text));
}

void prl_config_set_number(struct prl_merge *m, yyjson_mut_val *object, const char *key,
                           uint64_t number)
{
    prl_config_set(m, object, key, yyjson_mut_uint(m->doc, number));
}

void prl_config_append(struct prl_merge *m, yyjson_mut_val *array, const char *text)
{
    if (!yyjson_mut_arr_add_strcpy(m->doc, array, text))
        m->no_memory = true;
}

void prl_config_clear(struct prl_merge *m, yyjson_mut_val *parent, const char *key)
{
    yyjson_mut_arr_clear(member(m, parent, key, true));
}

void prl_config_drop(yyjson_mut_val *array, bool (*is_dropped)(yyjson_mut_val *item))
{
    for (size_t i = yyjson_mut_arr_size(array); i-- > 0;)
        if (is_dropped(yyjson_mut_arr_get(array, i)))
            yyjson_mut_arr_remove(array, i);
}

const char *prl_config_text(yyjson_mut_val *object, const char *key)
{
    return yyjson_mut_get_str(yyjson_mut_obj_get(object, key));
}

static const char *note_name(char buf[128], const char *name)
{
    snprintf(buf, 128, "io.pyrootless.%s", name);
    return buf;
}

void prl_config_note(struct prl_merge *m, const char *name, const char *text)
{
    char buf[128];

    prl_config_set_text(m, member(m, m->root, "annotations", false), note_name(buf, name),
                        text);
}

void prl_config_note_number(struct prl_merge *m, const char *name, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    prl_config_note(m, name, text);
}

const char *prl_config_note_get(struct prl_merge *m, const char *name)
{
    char buf[128];

    return prl_config_text(member(m, m->root, "annotations", false), note_name(buf, name));
}

void prl_config_note_drop(struct prl_merge *m, const char *name)
{
    char buf[128];

    yyjson_mut_obj_remove_key(member(m, m->root, "annotations", false), note_name(buf, name));
}

yyjson_mut_val *prl_config_find(yyjson_mut_val *array, const char *key, const char *text,
                                size_t *ret_index)
{
    yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(array);
    yyjson_mut_val *value;

    for (size_t i = 0; (value = yyjson_mut_arr_iter_next(&iter)); i++) {
        const char *got = prl_config_text(value, key);
        if (got && strcmp(got, text) == 0) {
            *ret_index = i;
            return value;
        }
    }
    return NULL;
}

char *prl_config_indent(const char *json, size_t len, size_t *ret_len)
{
    yyjson_doc *doc = yyjson_read(json, len, 0);
    char *text = doc ? yyjson_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, ret_len) : NULL;
    yyjson_doc_free(doc);
    return text;
}
