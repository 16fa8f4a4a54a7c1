/* words.c: words for changing the spec of a merge.
 * In: a merge, a place, a text.  Out: the changed spec.  Never: a meaning, a default. */
#include "config/parts.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int prl_config_memory(struct prl_merge *m)
{
    return prl_fail_with(m->reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "config.json");
}

static void remember(struct prl_merge *m, int r)
{
    if (r < 0 && m->failed == 0)
        m->failed = r;
}

const char *prl_config_copy(struct prl_merge *m, const char *text)
{
    char *copy = prl_arena_strndup(m->reader.arena, text, strlen(text));
    if (!copy)
        remember(m, prl_config_memory(m));
    return copy ? copy : "";
}

void prl_config_append(struct prl_merge *m, const char *const **list, const char *text)
{
    size_t len = 0;
    while (*list && (*list)[len])
        len++;
    const char **larger = prl_spec_grow(&m->reader, *list, len, sizeof *larger);
    if (!larger) {
        remember(m, -ENOMEM);
        return;
    }
    larger[len] = prl_config_copy(m, text);
    larger[len + 1] = NULL;
    *list = larger;
}

void prl_config_drop(const char *const *list,
                     bool (*is_dropped)(const char *text, const void *how), const void *how)
{
    const char **to = (const char **)(uintptr_t)list;
    for (; list && *list; list++)
        if (!is_dropped(*list, how))
            *to++ = *list;
    if (to)
        *to = NULL;
}

static const char *note_name(char buf[128], const char *name)
{
    snprintf(buf, 128, "io.pyrootless.%s", name);
    return buf;
}

void prl_config_note(struct prl_merge *m, const char *name, const char *text)
{
    char buf[128];

    remember(m, prl_spec_note_set(&m->reader, m->spec, note_name(buf, name), text));
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
    const char *text = NULL;

    if (prl_spec_note_get(m->reader.arena, m->spec, note_name(buf, name), &text) < 0)
        remember(m, prl_config_memory(m));
    return text;
}

void prl_config_note_drop(struct prl_merge *m, const char *name)
{
    prl_config_note(m, name, NULL);
}

struct prl_mount *prl_config_find_mount(struct prl_merge *m, const char *type,
                                        const char *destination)
{
    struct prl_mount *mounts = (struct prl_mount *)(uintptr_t)m->spec->mounts;

    for (size_t i = 0; i < m->spec->mounts_len; i++)
        if ((!type || strcmp(mounts[i].type, type) == 0) &&
            (!destination || strcmp(mounts[i].destination, destination) == 0))
            return &mounts[i];
    return NULL;
}
