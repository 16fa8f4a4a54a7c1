/* volume.c: -v [SOURCE:]TARGET[:OPTIONS] and --mount type=…,src=…,dst=….
 * In: option values.  Out: bind mounts, volumes and tmpfs in /mounts.
 * Never: creating a source; a source inside the engine's own directories. */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/options/exports.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum recursion { RECURSIVE, NOT_RECURSIVE, RECURSIVE_WRITABLE };

/* One bind as asked for.  Words are NULL when nothing was said. */
struct bind {
    const char *option, *source, *target;
    enum recursion recursion;
    bool readonly, nocopy; /* nocopy: of a volume */
    const char *propagation, *suid, *dev, *exec;
};

/* One mount flag into bind; false: not one. */
static bool take_flag(struct bind *bind, const char *word)
{
    static const char propagations[][12] = {"private", "rprivate", "slave",
                                            "rslave",  "shared",   "rshared"};
    static const char ignored[][12] = {"z", "Z", "cached", "delegated", "consistent"};
    static const char flags[][2][8] = {
        {"suid", "nosuid"}, {"dev", "nodev"}, {"exec", "noexec"}};
    const char **slots[] = {&bind->suid, &bind->dev, &bind->exec};

    for (size_t i = 0; i < sizeof propagations / sizeof *propagations; i++) {
        if (strcmp(word, propagations[i]) == 0) {
            bind->propagation = propagations[i];
            return true;
        }
    }
    for (size_t i = 0; i < 6; i++) {
        if (strcmp(word, flags[i / 2][i % 2]) == 0) {
            *slots[i / 2] = flags[i / 2][i % 2];
            return true;
        }
    }
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (strcmp(word, ignored[i]) == 0)
            return true;
    return false;
}

/* One word of -v's third part. */
static int take_volume_word(struct prl_merge *m, struct bind *bind, const char *word)
{
    if (strcmp(word, "ro") == 0 || strcmp(word, "rro") == 0)
        bind->readonly = true;
    else if (strcmp(word, "rw") == 0)
        bind->readonly = false;
    else if (strcmp(word, "nocopy") == 0)
        bind->nocopy = true;
    else if (strcmp(word, "bind") == 0)
        bind->recursion = NOT_RECURSIVE;
    else if (strcmp(word, "rbind") == 0)
        bind->recursion = RECURSIVE;
    else if (strcmp(word, "U") == 0)
        return prl_config_bad(
            m, EINVAL, bind->option,
            "\"U\" would change who owns the files on the host: leave it out, "
            "they already belong to the container's user");
    else if (strcmp(word, "O") == 0)
        return prl_config_bad(m, EINVAL, bind->option,
                              "an overlay on a volume is not here yet: use ro, or a copy");
    else if (!take_flag(bind, word))
        return prl_config_bad(m, EINVAL, bind->option,
                              "\"%.40s\" is no option of a volume: use ro, rw, bind, rbind, "
                              "noexec, nosuid, nodev, exec, suid, dev or a propagation",
                              word);
    return 0;
}

static void bind_words(const struct bind *bind, bool device, const char **words)
{
    *words++ = bind->recursion == NOT_RECURSIVE ? "bind" : "rbind";
    *words++ = bind->propagation ? bind->propagation : "rprivate";
    *words++ = bind->suid ? bind->suid : "nosuid";
    if (bind->dev || !device)
        *words++ = bind->dev ? bind->dev : "nodev";
    if (bind->exec)
        *words++ = bind->exec;
    *words++ = bind->readonly ? "ro" : "rw";
    if (bind->readonly && bind->recursion == RECURSIVE)
        *words++ = "rro";
}

static int add_bind(struct prl_merge *m, const struct bind *bind)
{
    _cleanup_free_ char *real = NULL, *target = NULL;
    struct stat st;
    int r = prl_value_target(bind->option, bind->target, &target, m->reterr);

    if (r < 0)
        return r;
    r = prl_config_host_path(m, bind->option, bind->source, &real);
    if (r < 0)
        return r;
    /* A device, or /dev and what is in it, was meant to be usable. */
    bool device = strcmp(real, "/dev") == 0 || strncmp(real, "/dev/", 5) == 0 ||
                  (stat(real, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)));
    struct prl_config_mount mount = {
        .option = bind->option, .type = "bind", .source = real, .target = target};
    bind_words(bind, device, mount.words);
    r = prl_config_add_mount(m, &mount);
    return r < 0 ? r : prl_config_guard(m, bind->option, real, target);
}

/* A volume of the store; name NULL: one that nobody names. */
static int add_named(struct prl_merge *m, struct bind *bind, const char *name)
{
    const char *words[12] = {NULL};
    bind->recursion = NOT_RECURSIVE;
    bind_words(bind, false, words);
    const struct prl_config_named named = {.option = bind->option,
                                           .name = name,
                                           .target = bind->target,
                                           .words = words,
                                           .nocopy = bind->nocopy};
    return prl_config_add_named(m, &named);
}

static bool is_path(const char *source)
{
    return *source == '/' || strcmp(source, ".") == 0 || strcmp(source, "..") == 0 ||
           strncmp(source, "./", 2) == 0 || strncmp(source, "../", 3) == 0;
}

static int bad_form(struct prl_merge *m, const char *text)
{
    return prl_config_bad(
        m, EINVAL, "--volume",
        "\"%.80s\" is not [SOURCE:]TARGET[:OPTIONS]: write for example -v "
        "./data:/data:ro, -v NAME:/data for a volume, or --tmpfs for an empty "
        "directory",
        text);
}

int prl_config_volume(struct prl_merge *m, const char *text)
{
    _cleanup_free_ char *copy = strdup(text);
    char *parts[3] = {copy, NULL, NULL};
    int r = 0;

    if (!copy)
        return prl_config_memory(m);
    for (int i = 1; i < 3; i++) {
        parts[i] = strchr(parts[i - 1], ':');
        if (!parts[i])
            break;
        *parts[i]++ = '\0';
    }
    if (!*parts[0] || (!parts[1] && *parts[0] != '/') || (parts[2] && strchr(parts[2], ':')))
        return bad_form(m, text);
    struct bind bind = {.option = "--volume", .source = parts[0], .target = parts[!!parts[1]]};
    char *rest = NULL;
    for (char *word = parts[2] ? strtok_r(parts[2], ",", &rest) : NULL; word && r >= 0;
         word = strtok_r(NULL, ",", &rest))
        r = take_volume_word(m, &bind, word);
    if (r < 0)
        return r;
    if (!parts[1])
        return add_named(m, &bind, NULL);
    return is_path(bind.source) ? add_bind(m, &bind) : add_named(m, &bind, bind.source);
}

/* What --mount said. */
struct request {
    const char *type;
    struct bind bind;
    char tmpfs[256];       /* options of a tmpfs, comma-joined */
    const char *pairs[16]; /* volume-label=, volume-opt=: the whole words */
    size_t pairs_len;
};

static int add_tmpfs_word(struct prl_merge *m, struct request *request, const char *name,
                          const char *value)
{
    size_t len = strlen(request->tmpfs), room = sizeof request->tmpfs - len;
    int n = snprintf(request->tmpfs + len, room, "%s%s%s", len ? "," : "", name, value);

    if (n < 0 || (size_t)n >= room)
        return prl_config_bad(m, EINVAL, "--mount", "the options of the tmpfs are too long");
    return 0;
}

static int take_recursion(struct prl_merge *m, struct bind *bind, const char *value)
{
    if (strcmp(value, "enabled") == 0 || strcmp(value, "readonly") == 0)
        bind->recursion = RECURSIVE;
    else if (strcmp(value, "disabled") == 0)
        bind->recursion = NOT_RECURSIVE;
    else if (strcmp(value, "writable") == 0)
        bind->recursion = RECURSIVE_WRITABLE;
    else
        return prl_config_bad(m, EINVAL, "--mount",
                              "bind-recursive=%.40s: write enabled, disabled, writable or "
                              "readonly",
                              value);
    return 0;
}

static int take_readonly(struct prl_merge *m, struct request *request, const char *key,
                         const char *value)
{
    bool on = true;
    int r = *value ? prl_value_bool("--mount", value, &on, m->reterr) : 0;

    if (r < 0)
        return r;
    on = strcmp(key, "rw") == 0 ? !on : on;
    request->bind.readonly = on;
    return add_tmpfs_word(m, request, on ? "ro" : "rw", "");
}

static bool is_one_of(const char *text, const char words[][12])
{
    for (; **words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

/* Keys whose value is a text of its own; NULL: another key. */
static const char **text_slot(struct request *request, const char *key)
{
    static const char sources[][12] = {"source", "src", ""};
    static const char targets[][12] = {"destination", "dst", "target", ""};

    if (strcmp(key, "type") == 0)
        return &request->type;
    if (is_one_of(key, sources))
        return &request->bind.source;
    return is_one_of(key, targets) ? &request->bind.target : NULL;
}

static int take_nonrecursive(struct prl_merge *m, struct bind *bind, const char *value)
{
    bool on = true;
    int r = *value ? prl_value_bool("--mount", value, &on, m->reterr) : 0;

    bind->recursion = on ? NOT_RECURSIVE : RECURSIVE;
    return r;
}

/* docker takes keys and types in any case. */
static void make_lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* volume-nocopy, volume-driver=local, volume-label=KEY=VALUE, volume-opt=KEY=VALUE */
static int take_volume_key(struct prl_merge *m, struct request *request, const char *key,
                           const char *value)
{
    static const char driver[] = "volume-driver";
    bool label = strcmp(key, "volume-label") == 0, option = strcmp(key, "volume-opt") == 0;
    if (strcmp(key, "volume-nocopy") == 0) {
        request->bind.nocopy = true;
        return *value ? prl_value_bool("--mount", value, &request->bind.nocopy, m->reterr) : 0;
    }
    if (strcmp(key, driver) == 0 && (!*value || strcmp(value, "local") == 0))
        return 0;
    if (strcmp(key, driver) == 0)
        return prl_config_bad(m, EINVAL, "--mount",
                              "there is no volume driver \"%.40s\": the only one is local",
                              value);
    if ((!label && !option) || !*value)
        return prl_config_bad(
            m, EINVAL, "--mount",
            "\"%.40s\" is not understood: of a volume there are volume-nocopy, "
            "volume-label=KEY=VALUE and volume-opt=KEY=VALUE",
            key);
    if (request->pairs_len + 2 > sizeof request->pairs / sizeof *request->pairs)
        return prl_config_bad(m, E2BIG, "--mount", "it has too many labels and options");
    request->pairs[request->pairs_len++] = label ? "label" : "option";
    request->pairs[request->pairs_len++] = value;
    return 0;
}

/* One key[=value] of --mount. */
static int take_mount_word(struct prl_merge *m, struct request *request, char *key)
{
    static const char readonly[][12] = {"ro", "readonly", "rw", ""};
    static const char ignored[][12] = {"consistency", "relabel", ""};
    char *value = strchr(key, '=');

    if (value)
        *value++ = '\0';
    else
        value = key + strlen(key);
    make_lower(key);
    if (strcmp(key, "type") == 0)
        make_lower(value);
    const char **slot = text_slot(request, key);
    if (slot) {
        *slot = value;
        return 0;
    }
    if (is_one_of(key, readonly))
        return take_readonly(m, request, key, value);
    if (strcmp(key, "bind-recursive") == 0)
        return take_recursion(m, &request->bind, value);
    if (strcmp(key, "bind-nonrecursive") == 0)
        return take_nonrecursive(m, &request->bind, value);
    if (strncmp(key, "volume-", 7) == 0)
        return take_volume_key(m, request, key, value);
    if (strcmp(key, "tmpfs-size") == 0 || strcmp(key, "tmpfs-mode") == 0)
        return add_tmpfs_word(m, request, key[6] == 's' ? "size=" : "mode=", value);
    if (is_one_of(key, ignored) ||
        (strcmp(key, "bind-propagation") == 0 && take_flag(&request->bind, value)))
        return 0;
    if (!*value && take_flag(&request->bind, key))
        return add_tmpfs_word(m, request, key, "");
    return prl_config_bad(m, EINVAL, "--mount",
                          "\"%.40s%s%.40s\" is not understood: write for example "
                          "type=bind,src=./data,dst=/data,ro",
                          key, *value ? "=" : "", value);
}

static int add_volume(struct prl_merge *m, const struct request *request)
{
    struct bind bind = request->bind;
    const char *name = bind.source && *bind.source ? bind.source : NULL;
    int r = add_named(m, &bind, name);
    if (r >= 0 && !name && request->pairs_len)
        return prl_config_bad(m, EINVAL, "--mount",
                              "labels and options are of a volume with a name: add src=NAME");
    for (size_t i = 0; r >= 0 && i < request->pairs_len; i += 2)
        r = prl_config_describe_named(m, name, request->pairs[i], request->pairs[i + 1]);
    return r;
}

static int add_request(struct prl_merge *m, const struct request *request)
{
    const struct bind *bind = &request->bind;
    const char *type = request->type ? request->type : "volume";

    if (strcmp(type, "bind") != 0 && strcmp(type, "tmpfs") != 0 && strcmp(type, "volume") != 0)
        return prl_config_bad(m, EINVAL, "--mount",
                              "there is no type=%.40s here: write type=volume, type=bind or "
                              "type=tmpfs",
                              type);
    if (!bind->target)
        return prl_config_bad(m, EINVAL, "--mount",
                              "it does not say where: add dst=DIRECTORY, as in dst=/data");
    if (strcmp(type, "volume") == 0)
        return add_volume(m, request);
    if (strcmp(type, "bind") == 0 && bind->source && *bind->source)
        return add_bind(m, bind);
    if (strcmp(type, "bind") == 0)
        return prl_config_bad(m, EINVAL, "--mount",
                              "it does not say what: add src=PATH, as in src=./data");
    if (bind->source)
        return prl_config_bad(m, EINVAL, "--mount", "a tmpfs has no source: leave src= out");
    return prl_config_add_tmpfs(m, "--mount", bind->target, request->tmpfs);
}

/* The field of a CSV line at *at, unquoted in place, *at after its comma; NULL: a quote is not
 * closed.  A field in quotes may hold commas, and "" stands for one quote. */
static char *take_field(char **at)
{
    char *field = *at, *from = field, *to = field;
    bool quoted = false;

    for (; *from && (quoted || *from != ','); from++) {
        if (*from != '"')
            *to++ = *from;
        else if (quoted && from[1] == '"')
            *to++ = *from++;
        else
            quoted = !quoted;
    }
    *at = from + (*from == ',');
    *to = '\0';
    return quoted ? NULL : field;
}

/* Texts of the request lie in copy. */
static int read_request(struct prl_merge *m, char *copy, struct request *ret)
{
    int r = 0;

    *ret = (struct request){.bind = {.option = "--mount"}};
    while (r >= 0 && *copy) {
        char *word = take_field(&copy);
        if (!word)
            return prl_config_bad(m, EINVAL, "--mount", "a quote is not closed");
        r = *word ? take_mount_word(m, ret, word) : 0;
    }
    return r;
}

int prl_config_mount_option(struct prl_merge *m, const char *text)
{
    _cleanup_free_ char *copy = strdup(text);
    struct request request;

    if (!copy)
        return prl_config_memory(m);
    int r = read_request(m, copy, &request);
    return r < 0 ? r : add_request(m, &request);
}
