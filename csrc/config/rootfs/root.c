/* root.c: which directories make up the root, where writes go, and what of the host
 * stays out of reach. In: --rootfs, --ephemeral…, the engine's directories.  Out: root, the
 * rootfs annotations, masks. Never: making a directory, a comparison of paths by mere prefix
 * ("/data" is not "/data2"). */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/options/exports.h"

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

static char *rootfs_path(const char *typed)
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
    prl_config_append(m, &m->spec->masked_paths, masked);
    return 0;
}

static int guard_one(struct prl_merge *m, const struct prl_config_mount *what,
                     const char *engine)
{
    const char *rest;

    if (!engine)
        return 0;
    if (is_below(what->source, engine, &rest))
        return prl_config_bad(m, EPERM, what->option,
                              "%.120s belongs to pyrootless itself and cannot be shown to a "
                              "container: copy what you need elsewhere",
                              what->source);
    return mask_engine(m, what, engine);
}

int prl_config_guard(struct prl_merge *m, const char *option, const char *path,
                     const char *target)
{
    struct prl_config_mount what = {.option = option, .source = path, .target = target};
    /* By then the path may lead elsewhere: the launch decides once more, on what it has opened
     * (launch/prepare/sources.c). */
    const char *const engine[] = {m->facts->data_dir, m->facts->runtime_dir,
                                  m->facts->scratch_dir};

    if (strchr(target, '\n'))
        return prl_config_bad(m, EINVAL, option, "a path with a line end in it cannot be used");
    for (size_t i = 0; i < 3 && !m->spec->lent; i++)
        if (engine[i])
            prl_config_append(m, &m->spec->unseen, engine[i]);
    prl_config_append(m, &m->spec->lent, target);
    int r = m->failed;

    if (r >= 0)
        r = guard_one(m, &what, m->facts->data_dir);

    if (r >= 0)
        r = guard_one(m, &what, m->facts->runtime_dir);
    return r < 0 ? r : guard_one(m, &what, m->facts->scratch_dir);
}

/* The template's binds show directories of the host too, as /usr: the same care. */
static int guard_binds(struct prl_merge *m, const char *engine)
{
    int r = 0;

    for (size_t i = 0; engine && r >= 0 && i < m->spec->mounts_len; i++) {
        const struct prl_mount *mount = &m->spec->mounts[i];
        const struct prl_config_mount what = {
            .option = "--root", .source = mount->source, .target = mount->destination};
        if (mount->bind)
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

/* Away with what the template's image brought along.  /sys is no image's: it is lent where the
 * network is the host's (lend_sysfs). */
static void forget_image(struct prl_merge *m)
{
    struct prl_mount *mounts = (struct prl_mount *)(uintptr_t)m->spec->mounts;

    for (size_t i = m->spec->mounts_len; i-- > 0;)
        if (mounts[i].bind && strcmp(mounts[i].destination, "/sys") != 0)
            prl_config_forget_mount(m, &mounts[i]);
    prl_config_set_user(m, 0, 0);
    m->spec->process.env = m->spec->process.args = NULL;
    prl_config_append(m, &m->spec->process.env, DEFAULT_PATH);
    m->spec->process.cwd = "/";
    prl_config_note_drop(m, "image.entrypoint");
    prl_config_note_drop(m, "image.cmd");
    prl_config_note_drop(m, "image.volumes");
    m->spec->rootfs.lowers = NULL;
}

int prl_config_rootfs(struct prl_merge *m, const char *text)
{
    const char *typed = m->options->image;
    struct stat st;

    if (strcmp(text, "true") != 0)
        return 0;
    _cleanup_free_ char *path = rootfs_path(typed), *real = NULL;
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
    m->spec->rootfs.path = prl_config_copy(m, real);
    m->spec->rootfs.readonly = false;
    if (asks_overlay(typed))
        prl_config_append(m, &m->spec->rootfs.lowers, real);
    prl_config_note(m, "image", typed);
    r = prl_config_user(m, "0");
    return r < 0 ? r : prl_config_guard(m, "--rootfs", real, "/");
}

const char *prl_config_storage_size(const struct prl_options *options)
{
    const char *opt = prl_options_get(options, "storage-opt");
    const char *text = prl_options_get(options, "storage-size");

    return text || !opt ? text : opt + strlen("size=");
}

int prl_config_upper(struct prl_merge *m)
{
    bool ephemeral = prl_options_flag(m->options, "ephemeral");
    struct prl_rootfs *root = &m->spec->rootfs;

    root->upper = PRL_UPPER_NONE;
    root->upper_path = root->work_path = NULL;
    root->upper_volatile = false;
    if (ephemeral && !root->lowers)
        prl_config_append(m, &root->lowers, root->path);
    if (!root->lowers)
        return 0;
    if (ephemeral || !m->facts->container_dir) {
        const char *storage = prl_config_storage_size(m->options);
        const char *size = storage ? storage : prl_options_get(m->options, "ephemeral-size");
        const char *inodes = prl_options_get(m->options, "ephemeral-inodes");
        uint64_t bytes = 0;
        int64_t number = 0;
        int r = size ? prl_value_size(storage ? "--storage-size" : "--ephemeral-size", size,
                                      &bytes, m->reterr)
                     : 0;

        if (r >= 0 && inodes)
            r = prl_value_integer("--ephemeral-inodes", inodes, &number, m->reterr);
        if (r < 0)
            return r;
        m->spec->rootfs.upper = PRL_UPPER_TMPFS;
        m->spec->rootfs.upper_size_bytes = bytes;
        if (!inodes && storage) /* empty files take memory too: one for each page */
            number = bytes < (uint64_t)INODES_MIN * PAGE_BYTES ? INODES_MIN
                                                               : (int64_t)(bytes / PAGE_BYTES);
        m->spec->rootfs.upper_inodes = number > 0 ? (uint64_t)number : 0;
        return 0;
    }
    char path[PATH_MAX];
    const char *dir = m->facts->container_dir;
    root->upper = PRL_UPPER_DISK;
    snprintf(path, sizeof path, "%s/upper", dir);
    root->upper_path = prl_config_copy(m, path);
    snprintf(path, sizeof path, "%s/work", dir);
    root->work_path = prl_config_copy(m, path);
    root->upper_volatile = prl_options_flag(m->options, "rm");
    return 0;
}

const char *const *prl_config_root_dirs(struct prl_merge *m)
{
    const char *only = m->facts->running_root ? m->facts->running_root : m->spec->rootfs.path;

    if (m->spec->rootfs.lowers && !m->facts->running_root)
        return m->spec->rootfs.lowers;
    const char *const *dirs = NULL;
    prl_config_append(m, &dirs, only);
    return dirs;
}
