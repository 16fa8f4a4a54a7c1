/* journal.c: see journal.h.
 * In, out: as there.  Never: as there.
 *
 * Each line is one write(2) at the end of the file (O_APPEND), so that lines of several
 * processes stay whole and in their order.
 * Source: Docker Engine API, "Monitor events". */
#include "container/events/journal.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <yyjson.h>

static const char LABEL[] = "io.pyrootless.label.";

static void put(char **to, const char *text)
{
    size_t len = strlen(text);
    memcpy(*to, text, len + 1);
    *to += len;
}

/* As the inside of a JSON string. */
static void put_escaped(char **to, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        char code[7] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15], '\0'};
        if (byte == '"' || byte == '\\')
            *(*to)++ = '\\';
        if (byte < 0x20)
            put(to, code);
        else
            *(*to)++ = (char)byte;
    }
}

char *prl_journal_attribute(char *text, const char *key, const char *value)
{
    size_t len = text ? strlen(text) : 0;
    char *longer = realloc(text, len + 6 * (strlen(key) + strlen(value)) + 8);
    if (!longer) {
        free(text);
        return NULL;
    }
    char *to = longer + len;
    put(&to, len ? ",\"" : "\"");
    put_escaped(&to, key);
    put(&to, "\":\"");
    put_escaped(&to, value);
    put(&to, "\"");
    return longer;
}

char *prl_journal_attributes(const struct prl_spec *spec, const char *image, const char *name)
{
    char *text = prl_journal_attribute(NULL, "image", image ? image : "");
    for (size_t i = 0; text && i < spec->notes_len; i++)
        if (strncmp(spec->notes[i].key, LABEL, sizeof LABEL - 1) == 0)
            text = prl_journal_attribute(text, spec->notes[i].key + sizeof LABEL - 1,
                                         spec->notes[i].value);
    return text ? prl_journal_attribute(text, "name", name) : NULL;
}

char *prl_journal_attributes_of(const char *directory)
{
    static const char image[] = "io.pyrootless.image", name[] = "io.pyrootless.name";
    _cleanup_free_ char *json = NULL;
    size_t len = 0, i, count;
    yyjson_val *key, *value;
    if (prl_state_read(directory, PRL_STATE_CONFIG, &json, &len) < 0)
        return NULL;
    yyjson_doc *doc = yyjson_read(json, len, 0);
    yyjson_val *notes = yyjson_obj_get(yyjson_doc_get_root(doc), "annotations");
    const char *named = yyjson_get_str(yyjson_obj_get(notes, name));
    const char *of = yyjson_get_str(yyjson_obj_get(notes, image));
    char *text = named ? prl_journal_attribute(NULL, "image", of ? of : "") : NULL;
    if (text)
        yyjson_obj_foreach(notes, i, count, key, value)
        {
            const char *word = yyjson_get_str(key), *said = yyjson_get_str(value);
            if (text && word && said && strncmp(word, LABEL, sizeof LABEL - 1) == 0)
                text = prl_journal_attribute(text, word + sizeof LABEL - 1, said);
        }
    text = text ? prl_journal_attribute(text, "name", named) : NULL;
    yyjson_doc_free(doc);
    return text;
}

/* One of those who find it full does it; the others go on in the file that was renamed. */
static void rotate(const struct prl_dirs *dirs, int fd)
{
    struct stat mine, there;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 &&
        fstatat(dirs->data_fd, "events", &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        mine.st_ino == there.st_ino)
        (void)renameat(dirs->data_fd, "events", dirs->data_fd, "events.1");
}

static char *make_line(const struct prl_event *event)
{
    struct timespec now;
    const char *first = event->attributes ? event->attributes : "";
    const char *more = event->more ? event->more : "";
    _cleanup_free_ char *action = malloc(6 * strlen(event->action) + 1);
    if (!action)
        return NULL;
    char *to = action;
    put_escaped(&to, event->action);
    *to = '\0';
    clock_gettime(CLOCK_REALTIME, &now);
    return prl_io_format("{\"Type\":\"%s\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\","
                         "\"Attributes\":{%s%s%s}},\"scope\":\"local\",\"time\":%lld,"
                         "\"timeNano\":%lld}\n",
                         event->type, action, event->id, first, *first && *more ? "," : "",
                         more, (long long)now.tv_sec,
                         (long long)now.tv_sec * 1000000000 + now.tv_nsec);
}

void prl_journal_add(const struct prl_dirs *dirs, const struct prl_event *event)
{
    _cleanup_free_ char *line = make_line(event);
    _cleanup_close_ int fd = openat(
        dirs->data_fd, "events",
        O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, (mode_t)0600);
    if (!line || fd < 0 || write(fd, line, strlen(line)) < 0)
        return;
    if (lseek(fd, 0, SEEK_CUR) > PRL_JOURNAL_BYTES)
        rotate(dirs, fd);
}
