/* volumes.c: the texts of io.pyrootless.volumes*: which mounts are volumes of the store.
 * In: lines "named|anonymous copy|nocopy NAME DESTINATION".  Out: rows, and the text of these.
 * Never: a look at the store. */
#include "spec/parts.h"

#include "base/name.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { VOLUMES_MAX = 1024 };

/* One of two words at *at, which moves behind it. */
static bool take_word(const char **at, const char *yes, const char *no, bool *ret)
{
    size_t len = strcspn(*at, " ");
    *ret = strncmp(*at, yes, len) == 0 && !yes[len];
    if ((!*ret && (strncmp(*at, no, len) != 0 || no[len])) || (*at)[len] != ' ')
        return false;
    *at += len + 1;
    return true;
}

static bool parse_volume(const struct prl_spec_reader *reader, const char *line,
                         struct prl_volume *ret)
{
    const char *at = line;
    if (!take_word(&at, "anonymous", "named", &ret->anonymous) ||
        !take_word(&at, "copy", "nocopy", &ret->copy))
        return false;
    size_t len = strcspn(at, " ");
    char *name = prl_arena_strndup(reader->arena, at, len);
    if (!name || !prl_name_has_form(name, NAME_MAX) || at[len] != ' ' || at[len + 1] != '/')
        return false;
    ret->name = name;
    ret->destination = at + len + 1;
    return true;
}

static int fail(const struct prl_spec_reader *reader, const struct prl_note *note,
                const char *expected)
{
    return prl_spec_fail(reader, "/annotations/%s is \"%s\", expected %s", note->key,
                         prl_spec_show(note->value).text, expected);
}

int prl_spec_read_volumes(const struct prl_spec_reader *reader, const struct prl_note *note,
                          struct prl_spec *ret)
{
    const char *text = note->value;
    struct prl_volume *volumes;
    size_t count = 1;
    for (const char *p = text; *p; p++)
        count += *p == '\n';
    if (count > VOLUMES_MAX)
        return fail(reader, note, "at most 1024 lines");
    int r = prl_spec_new_array(reader, count, sizeof *volumes, &volumes);
    for (size_t i = 0; r == 0 && i < count; i++) {
        size_t len = strcspn(text, "\n");
        char *line = prl_arena_strndup(reader->arena, text, len);
        if (!line)
            return prl_spec_no_memory(reader);
        if (!parse_volume(reader, line, &volumes[i]))
            return fail(reader, note, "lines \"named|anonymous copy|nocopy NAME DESTINATION\"");
        text += len + (text[len] == '\n');
    }
    ret->volumes = volumes;
    ret->volumes_len = r == 0 ? count : 0;
    return r;
}

static size_t put_line(char *buf, size_t size, const struct prl_volume *volume)
{
    int n = snprintf(buf, size, "%s %s %s %s\n", volume->anonymous ? "anonymous" : "named",
                     volume->copy ? "copy" : "nocopy", volume->name, volume->destination);
    return n > 0 ? (size_t)n : 0;
}

char *prl_spec_show_volumes(struct prl_arena *arena, const struct prl_spec *spec)
{
    size_t size = 1;
    for (size_t i = 0; i < spec->volumes_len; i++)
        size += put_line(NULL, 0, &spec->volumes[i]);
    char *text = prl_arena_alloc(arena, size), *end = text;
    for (size_t i = 0; text && i < spec->volumes_len; i++)
        end += put_line(end, size - (size_t)(end - text), &spec->volumes[i]);
    if (end > text)
        end[-1] = '\0';
    return text;
}

/* "NAME label|option KEY=VALUE" a line. */
const char *prl_spec_volumes_new_form(const char *text)
{
    static const char expected[] = "lines \"NAME label|option KEY=VALUE\"";
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        const char *word = text + strcspn(text, " \n");
        bool is_label = strncmp(word, " label ", 7) == 0;
        if (word == text || (!is_label && strncmp(word, " option ", 8) != 0))
            return expected;
    }
    return NULL;
}
