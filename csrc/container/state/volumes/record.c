/* record.c: volume.json: when a volume was made, its labels and options.
 * In: "KEY=VALUE" texts.  Out: the file, or its text.  Never: a change of one that is there.
 *
 * Of the options of docker's driver "local" a directory of the host can be had without root
 * (type=none, o=bind, device=DIR).  A file system that several containers share cannot: each
 * mounts in a namespace of its own. */
#include "container/state/volumes/parts.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>

static const char FILE_NAME[] = "volume.json";
enum { RECORD_MAX_BYTES = 1 << 20 };

static const char *value_of(const struct prl_volume_want *want, const char *key)
{
    size_t len = strlen(key);
    for (const char *const *one = want->options; one && *one; one++)
        if (strncmp(*one, key, len) == 0 && (*one)[len] == '=')
            return *one + len + 1;
    return NULL;
}

static int refuse(const char *option, const char *why, struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "--opt", "\"%.80s\": %s", option, why);
}

/* Words of o=: a bind, and what a mount of it takes anyway. */
static bool is_bind(const char *words)
{
    bool bind = false;
    for (size_t len; *words; words += len + (words[len] == ',')) {
        len = strcspn(words, ",");
        bool known = (len == 4 && memcmp(words, "bind", 4) == 0) ||
                     (len == 5 && memcmp(words, "rbind", 5) == 0);
        if (!known && !(len == 2 && memcmp(words, "rw", 2) == 0))
            return false;
        bind |= known;
    }
    return bind;
}

int prl_volume_check_options(const struct prl_volume_want *want, struct prl_error *reterr)
{
    const char *type = value_of(want, "type"), *device = value_of(want, "device"),
               *words = value_of(want, "o");
    for (const char *const *one = want->options; one && *one; one++)
        if (strncmp(*one, "type=", 5) != 0 && strncmp(*one, "device=", 7) != 0 &&
            strncmp(*one, "o=", 2) != 0)
            return refuse(*one, "the driver local knows type=, device= and o=", reterr);
    if (!type && !device && !words)
        return 0;
    if (type && *type && strcmp(type, "none") != 0 && strcmp(type, "bind") != 0)
        return refuse(type,
                      "a file system that several containers share cannot be mounted without "
                      "root: give a container its own with --tmpfs TARGET, or name a directory "
                      "of the host with type=none,o=bind,device=DIR",
                      reterr);
    if (!device || *device != '/')
        return refuse("device", "it is missing, or no whole path of a directory", reterr);
    if (!words || !is_bind(words))
        return refuse(words ? words : "o", "only o=bind can be had without root", reterr);
    return 0;
}

static void add_pairs(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *name,
                      const char *const *pairs)
{
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(doc, root, name);
    for (; object && pairs && *pairs; pairs++) {
        const char *equals = strchrnul(*pairs, '=');
        yyjson_mut_val *key = yyjson_mut_strncpy(doc, *pairs, (size_t)(equals - *pairs));
        yyjson_mut_obj_put(object, key, yyjson_mut_strcpy(doc, *equals ? equals + 1 : ""));
    }
}

/* malloc'd; NULL: no memory. */
static char *make_text(const struct prl_volume_want *want, size_t *ret_len)
{
    struct timespec now;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!root)
        return NULL;
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_sint(doc, root, "created_unix_ns",
                            (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    add_pairs(doc, root, "labels", want->labels);
    if (want->anonymous)
        yyjson_mut_obj_add_str(doc, yyjson_mut_obj_get(root, "labels"), PRL_VOLUME_ANONYMOUS,
                               "");
    add_pairs(doc, root, "options", want->options);
    char *text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE, ret_len);
    yyjson_mut_doc_free(doc);
    return text;
}

int prl_volume_record_write(int dir_fd, const struct prl_volume_want *want, bool wait)
{
    size_t len;
    _cleanup_free_ char *text = make_text(want, &len);
    if (!text)
        return -ENOMEM;
    _cleanup_close_ int fd =
        openat(dir_fd, FILE_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = prl_io_write_all(fd, text, len);
    return r == 0 && wait && fsync(fd) < 0 ? -errno : r;
}

int prl_volume_record_read(int dir_fd, char **ret_json, char **ret_device)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r = prl_io_read_file(dir_fd, FILE_NAME, RECORD_MAX_BYTES, &text, &len);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_ALLOW_INVALID_UNICODE);
    yyjson_val *root = yyjson_doc_get_root(doc);
    bool good = yyjson_is_int(yyjson_obj_get(root, "created_unix_ns"));
    const char *device =
        yyjson_get_str(yyjson_obj_get(yyjson_obj_get(root, "options"), "device"));
    if (good && ret_device)
        *ret_device = device ? strdup(device) : NULL;
    if (good && ret_json)
        *ret_json = steal_ptr(&text);
    good = good && !(ret_device && device && !*ret_device);
    yyjson_doc_free(doc);
    return good ? 0 : -EBADMSG;
}
