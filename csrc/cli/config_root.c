/* config_root.c: which directories make up the root, where writes go, and what of the host
 * stays out of reach. In: --rootfs, --ephemeral…, the engine's directories.  Out: root, the
 * rootfs annotations, masks. Never: making a directory, a comparison of paths by mere prefix
 * ("/data" is not "/data2"). */
#include "cli/config_merge.h"

#include "base/error.h"
#include "base/own.h"
#include "cli/config_needs.h"
#include "cli/values.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { PAGE_BYTES = 4096, INODES_MIN = 64 };

static const char DEFAULT_PATH[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static bool asks_overlay(const char *directory)
{
    size_t len = strlen(directory);

    return len > 2 && strcmp(directory + len - 2, ":O") == 0;
}

char *prl_config_rootfs_path(const char *typed)
{
    return strndup(typed, strlen(typed) - (asks_overlay(typed) ? 2 : 0));
}

bool prl_config_in_place(const struct prl_options *options)
{
    return prl_options_flag(options, "rootfs") && !asks_overlay(options->image) &&
           !prl_options_flag(options, "ephemeral");
}

int prl_config_host_path(struct prl_merge *m, const char *option, const char *typed, char **ret)
{
    if (strchr(typed, '\n'))
        return prl_config_bad(m, EINVAL, option, "a path with a line end in it cannot be used");
    *ret = realpath(typed, NULL);
    if (*ret)
        return 0;
    if (errno == ENOENT)
        return prl_config_bad(m, ENOENT, option,
                              "there is no %.150s on this machine: create it first", typed);
    return prl_config_bad(m, errno, option, "%.150s cannot be looked up", typed);
}

/* Path equals dir or is below it, by components; *ret_rest is what comes after dir. */
static bool is_below(const char *path, const char *dir, const char **ret_rest)
{
    size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

    *ret_rest = path + len;
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Where engine lies in or below what target shows: out of sight. */
static int mask_engine(struct prl_merge *m, const struct prl_config_mount *what,
                       const char *engine)
{
    char masked[PATH_MAX];
    const char *rest, *target = strcmp(what->target, "/") == 0 ? "" : what->target;

    if (!is_below(engine, what->source, &rest))
        return 0;
    if ((size_t)snprintf(masked, sizeof masked, "%s%s", target, rest) >= sizeof masked)
        return prl_config_bad(m, ENAMETOOLONG, what->option, "%.120s is too long", target);
    prl_config_append(m, prl_config_array(m, prl_config_linux(m), "maskedPaths"), masked);
    return 0;
}

static int guard_one(struct prl_merge *m, const struct prl_config_mount *what,
                     const char *engine_dir)
{
    _cleanup_free_ char *real = engine_dir ? realpath(engine_dir, NULL) : NULL;
    const char *engine = real ? real : engine_dir, *rest;

    if (!engine)
        return 0;
    if (is_below(what->source, engine, &rest))
        return prl_config_bad(m, EPERM, what->option,
                              "%.120s belongs to pyrootless itself and cannot be shown to a "
                              "container: copy what you need elsewhere",
                              what->source);
    return mask_engine(m, what, engine);
}

/* One more line. */
static int add_line(struct prl_merge *m, const char *note, const char *line)
{
    const char *before = prl_config_note_get(m, note);
    _cleanup_free_ char *text = NULL;

    if (asprintf(&text, "%s%s%s", before ? before : "", before ? "\n" : "", line) < 0) {
        text = NULL;
        return prl_config_memory(m);
    }
    prl_config_note_drop(m, note);
    prl_config_note(m, note, text);
    return 0;
}

/* By then the path may lead elsewhere: the launch decides once more, on what it has opened
 * (prepare_sources.c). */
static int tell_launch(struct prl_merge *m, const struct prl_config_mount *what)
{
    const char *const engine[] = {m->facts->data_dir, m->facts->runtime_dir,
                                  m->facts->scratch_dir};
    int r = 0;

    if (strchr(what->target, '\n'))
        return prl_config_bad(m, EINVAL, what->option,
                              "a path with a line end in it cannot be used");
    for (size_t i = 0; r >= 0 && i < 3 && !prl_config_note_get(m, "lent"); i++)
        if (engine[i])
            r = add_line(m, "unseen", engine[i]);
    return r < 0 ? r : add_line(m, "lent", what->target);
}

int prl_config_guard(struct prl_merge *m, const char *option, const char *path,
                     const char *target)
{
    struct prl_config_mount what = {.option = option, .source = path, .target = target};
    int r = tell_launch(m, &what);

    if (r >= 0)
        r = guard_one(m, &what, m->facts->data_dir);

    if (r >= 0)
        r = guard_one(m, &what, m->facts->runtime_dir);
    return r < 0 ? r : guard_one(m, &what, m->facts->scratch_dir);
}

static bool is_bind(yyjson_mut_val *mount)
{
    const char *type = prl_config_text(mount, "type");
    yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(yyjson_mut_obj_get(mount, "options"));
    yyjson_mut_val *option;

    if (type && strcmp(type, "bind") == 0)
        return true;
    while ((option = yyjson_mut_arr_iter_next(&iter)))
        if (yyjson_mut_equals_str(option, "bind") || yyjson_mut_equals_str(option, "rbind"))
            return true;
    return false;
}

/* The template's binds show directories of the host too, as /usr: the same care. */
static int guard_binds(struct prl_merge *m, const char *engine_dir)
{
    _cleanup_free_ char *real = engine_dir ? realpath(engine_dir, NULL) : NULL;
    const char *engine = real ? real : engine_dir;
    yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(prl_config_array(m, m->root, "mounts"));
    yyjson_mut_val *mount;
    int r = 0;

    while (engine && r >= 0 && (mount = yyjson_mut_arr_iter_next(&iter))) {
        struct prl_config_mount what = {.option = "--root",
                                        .source = prl_config_text(mount, "source"),
                                        .target = prl_config_text(mount, "destination")};
        if (is_bind(mount) && what.source && what.target)
            r = mask_engine(m, &what, engine);
    }
    return r;
}

int prl_config_guard_template(struct prl_merge *m)
{
    int r = guard_binds(m, m->facts->data_dir);

    if (r >= 0)
        r = guard_binds(m, m->facts->runtime_dir);
    return r < 0 ? r : guard_binds(m, m->facts->scratch_dir);
}

/* /sys is no image's: it is lent where the network is the host's (lend_sysfs). */
static bool is_of_image(yyjson_mut_val *mount)
{
    const char *target = prl_config_text(mount, "destination");
    return is_bind(mount) && !(target && strcmp(target, "/sys") == 0);
}

/* Away with what the template's image brought along. */
static void forget_image(struct prl_merge *m)
{
    yyjson_mut_val *process = prl_config_process(m);

    prl_config_drop(prl_config_array(m, m->root, "mounts"), is_of_image);
    prl_config_set(m, process, "user", yyjson_mut_obj(m->doc));
    yyjson_mut_val *user = prl_config_object(m, process, "user");
    prl_config_set_number(m, user, "uid", 0);
    prl_config_set_number(m, user, "gid", 0);
    prl_config_clear(m, process, "env");
    prl_config_append(m, prl_config_array(m, process, "env"), DEFAULT_PATH);
    prl_config_clear(m, process, "args");
    prl_config_set_text(m, process, "cwd", "/");
    prl_config_note_drop(m, "image.entrypoint");
    prl_config_note_drop(m, "image.cmd");
    prl_config_note_drop(m, "rootfs.lower");
}

int prl_config_rootfs(struct prl_merge *m, const char *text)
{
    const char *typed = m->options->image;
    struct stat st;

    if (strcmp(text, "true") != 0)
        return 0;
    _cleanup_free_ char *path = prl_config_rootfs_path(typed), *real = NULL;
    if (!path)
        return prl_config_memory(m);
    int r = prl_config_host_path(m, "--rootfs", path, &real);
    if (r < 0)
        return r;
    if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
        return prl_config_bad(m, ENOTDIR, "--rootfs",
                              "%.120s is not a directory: give the directory an image was "
                              "unpacked into",
                              path);
    forget_image(m);
    yyjson_mut_val *root = prl_config_object(m, m->root, "root");
    prl_config_set_text(m, root, "path", real);
    prl_config_set(m, root, "readonly", yyjson_mut_bool(m->doc, false));
    if (asks_overlay(typed))
        prl_config_note(m, "rootfs.lower", real);
    prl_config_note(m, "image", typed);
    r = prl_config_user(m, "0");
    return r < 0 ? r : prl_config_guard(m, "--rootfs", real, "/");
}

/* Writes go to the container's directory. */
static void upper_on_disk(struct prl_merge *m)
{
    char path[PATH_MAX];
    const char *dir = m->facts->container_dir;

    prl_config_note(m, "rootfs.upper", "disk");
    snprintf(path, sizeof path, "%s/upper", dir);
    prl_config_note(m, "rootfs.upper.path", path);
    snprintf(path, sizeof path, "%s/work", dir);
    prl_config_note(m, "rootfs.upper.work", path);
    prl_config_note(m, "rootfs.upper.volatile", prl_options_flag(m->options, "rm") ? "1" : "0");
}

static int upper_in_memory(struct prl_merge *m)
{
    const char *storage = prl_options_get(m->options, "storage-size");
    const char *size = storage ? storage : prl_options_get(m->options, "ephemeral-size");
    const char *inodes = prl_options_get(m->options, "ephemeral-inodes");
    uint64_t bytes = 0;
    int64_t number = 0;
    int r = size ? prl_value_size(storage ? "--storage-size" : "--ephemeral-size", size, &bytes,
                                  m->reterr)
                 : 0;

    if (r >= 0 && inodes)
        r = prl_value_integer("--ephemeral-inodes", inodes, &number, m->reterr);
    if (r < 0)
        return r;
    prl_config_note(m, "rootfs.upper", "tmpfs");
    if (size)
        prl_config_note_number(m, "rootfs.upper.size", bytes);
    if (!inodes && storage) /* empty files take memory too: one for each page */
        number = bytes < (uint64_t)INODES_MIN * PAGE_BYTES ? INODES_MIN
                                                           : (int64_t)(bytes / PAGE_BYTES);
    if (number > 0)
        prl_config_note_number(m, "rootfs.upper.inodes", (uint64_t)number);
    return 0;
}

int prl_config_upper(struct prl_merge *m)
{
    static const char notes[][24] = {"rootfs.upper", "rootfs.upper.path", "rootfs.upper.work",
                                     "rootfs.upper.volatile"};
    bool ephemeral = prl_options_flag(m->options, "ephemeral");
    const char *path = prl_config_text(prl_config_object(m, m->root, "root"), "path");

    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        prl_config_note_drop(m, notes[i]);
    if (ephemeral && path && !prl_config_note_get(m, "rootfs.lower"))
        prl_config_note(m, "rootfs.lower", path);
    if (!prl_config_note_get(m, "rootfs.lower"))
        return 0;
    if (ephemeral || !m->facts->container_dir)
        return upper_in_memory(m);
    upper_on_disk(m);
    return 0;
}

char **prl_config_root_dirs(struct prl_merge *m)
{
    const char *text = prl_config_note_get(m, "rootfs.lower");
    size_t lines = 1;

    if (!text || !*text)
        text = prl_config_text(prl_config_object(m, m->root, "root"), "path");
    if (m->facts->running_root)
        text = m->facts->running_root;
    if (!text)
        text = "";
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    char **dirs = malloc((lines + 1) * sizeof *dirs + strlen(text) + 1);
    if (!dirs)
        return NULL;
    char *line = memcpy(dirs + lines + 1, text, strlen(text) + 1);
    size_t count = 0;
    while (*line) {
        size_t len = strcspn(line, "\n");
        bool more = line[len] != '\0';
        line[len] = '\0';
        dirs[count++] = line;
        line += len + more;
    }
    dirs[count] = NULL;
    return dirs;
}
