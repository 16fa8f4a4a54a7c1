/* config_mounts.c: the list of mounts: tmpfs, devices, shm, read-only root, their order.
 * In: option values.  Out: /mounts, /root/readonly.
 * Never: a mount on "/" or below /proc (what the kernel shows there must stay the kernel's). */
#include "cli/config_merge.h"

#include "base/error.h"
#include "base/own.h"
#include "cli/values.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static yyjson_mut_val *make_mount(struct prl_merge *m, const struct prl_config_mount *mount)
{
    yyjson_mut_val *value = yyjson_mut_obj(m->doc);

    if (!value) {
        m->no_memory = true;
        return NULL;
    }
    prl_config_set_text(m, value, "destination", mount->target);
    prl_config_set_text(m, value, "type", mount->type);
    prl_config_set_text(m, value, "source", mount->source);
    prl_config_set(m, value, "options", mount->options);
    return value;
}

static void forget_target(struct prl_merge *m, const char *target)
{
    yyjson_mut_val *mounts = prl_config_array(m, m->root, "mounts");
    size_t at;

    while (prl_config_find(mounts, "destination", target, &at))
        yyjson_mut_arr_remove(mounts, at);
}

void prl_config_place_mount(struct prl_merge *m, const struct prl_config_mount *mount)
{
    yyjson_mut_val *value = make_mount(m, mount);

    forget_target(m, mount->target);
    if (value)
        yyjson_mut_arr_append(prl_config_array(m, m->root, "mounts"), value);
}

int prl_config_add_mount(struct prl_merge *m, const struct prl_config_mount *mount)
{
    size_t at;
    const char *target = mount->target;

    if (strcmp(target, "/") == 0)
        return prl_config_bad(m, EINVAL, mount->option,
                              "nothing can be mounted on \"/\": use --rootfs for another root");
    if (strncmp(target, "/proc", 5) == 0 && (target[5] == '/' || !target[5]))
        return prl_config_bad(m, EINVAL, mount->option,
                              "nothing can be mounted on %.80s, /proc is the kernel's: choose "
                              "another place",
                              target);
    if (prl_config_find(m->user_mounts, "destination", target, &at))
        return prl_config_bad(m, EINVAL, mount->option,
                              "two options mount something on %.100s: leave one out", target);
    forget_target(m, target);
    yyjson_mut_val *value = make_mount(m, mount);
    if (value)
        yyjson_mut_arr_append(m->user_mounts, value);
    return 0;
}

/* A word of tmpfs(5) that takes a value, and the value's form is right. */
static bool is_tmpfs_setting(const char *word, size_t len)
{
    static const char names[][12] = {
        "size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks="};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t name_len = strlen(names[i]);
        if (len <= name_len || strncmp(word, names[i], name_len) != 0)
            continue;
        const char *value = word + name_len;
        size_t digits = strspn(value, "0123456789");
        size_t tail = len - name_len - (digits < len - name_len ? digits : len - name_len);
        return digits > 0 && tail <= 1 && (tail == 0 || strchr("kmgKMG%", value[digits]));
    }
    return false;
}

/* The flag that word is, and in *ret_slot which of its kind it replaces; NULL: no flag. */
static const char *tmpfs_flag(const char *word, size_t len, size_t *ret_slot)
{
    static const char flags[][2][8] = {
        {"nosuid", "suid"}, {"nodev", "dev"},     {"noexec", "exec"},
        {"rw", "ro"},       {"noatime", "atime"},
    };

    for (size_t slot = 0; slot < sizeof flags / sizeof *flags; slot++)
        for (size_t i = 0; i < 2; i++)
            if (strlen(flags[slot][i]) == len && strncmp(word, flags[slot][i], len) == 0) {
                *ret_slot = slot;
                return flags[slot][i];
            }
    return NULL;
}

int prl_config_add_tmpfs(struct prl_merge *m, const char *option, const char *typed_target,
                         const char *options)
{
    const char *flags[] = {"nosuid", "nodev", "noexec", "rw", NULL};
    _cleanup_free_ char *target = NULL;
    yyjson_mut_val *list = yyjson_mut_arr(m->doc);
    int r = prl_value_target(option, typed_target, &target, m->reterr);

    for (const char *at = options; r >= 0 && *at;) {
        size_t len = strcspn(at, ","), slot;
        const char *flag = tmpfs_flag(at, len, &slot);
        if (flag)
            flags[slot] = flag;
        else if (is_tmpfs_setting(at, len))
            m->no_memory |= !yyjson_mut_arr_add_strncpy(m->doc, list, at, len);
        else if (len > 0)
            r = prl_config_bad(m, EINVAL, option,
                               "\"%.*s\" is no option of a tmpfs: use size=64m, mode=1777, "
                               "nr_inodes=1000, uid=, gid=, ro, exec, suid, dev",
                               (int)(len < 60 ? len : 60), at);
        at += len + (at[len] == ',');
    }
    for (size_t i = 0; r >= 0 && i < sizeof flags / sizeof *flags; i++)
        if (flags[i])
            prl_config_append(m, list, flags[i]);
    struct prl_config_mount mount = {option, "tmpfs", "tmpfs", target, list};
    return r < 0 ? r : prl_config_add_mount(m, &mount);
}

int prl_config_tmpfs(struct prl_merge *m, const char *text)
{
    size_t len = strcspn(text, ":");
    _cleanup_free_ char *target = strndup(text, len);

    if (!target)
        return prl_config_memory(m);
    return prl_config_add_tmpfs(m, "--tmpfs", target, text + len + (text[len] != '\0'));
}

/* The kernel cannot take "r" or "w" alone away without the host's root: all or nothing. */
static int check_permissions(struct prl_merge *m, const char *text)
{
    if (!*text || text[strspn(text, "rwm")])
        return prl_config_bad(m, EINVAL, "--device",
                              "\"%.40s\" are no permissions: leave them out, or write rw",
                              text);
    if (!strchr(text, 'r') || !strchr(text, 'w'))
        return prl_config_bad(
            m, EINVAL, "--device",
            "permissions \"%.8s\" cannot be held without root on the host: leave "
            "them out, the device node's own mode decides",
            text);
    return 0;
}

static int add_device(struct prl_merge *m, const char *source, const char *target)
{
    static const char words[][12] = {"bind", "rprivate", "nosuid", "noexec", "rw"};
    _cleanup_free_ char *real = NULL, *clean = NULL;
    struct stat st;
    int r = prl_config_host_path(m, "--device", source, &real);

    if (r < 0)
        return r;
    if (stat(real, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
        return prl_config_bad(m, EINVAL, "--device",
                              "%.120s is not a device: use -v for files and directories",
                              source);
    r = prl_value_target("--device", target, &clean, m->reterr);
    if (r < 0)
        return r;
    struct prl_config_mount mount = {"--device", "bind", real, clean, yyjson_mut_arr(m->doc)};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        prl_config_append(m, mount.options, words[i]);
    r = prl_config_add_mount(m, &mount);
    return r < 0 ? r : prl_config_guard(m, mount.option, real, clean);
}

/* DEVICE[:TARGET][:rwm] */
int prl_config_device(struct prl_merge *m, const char *text)
{
    _cleanup_free_ char *copy = strdup(text);

    if (!copy)
        return prl_config_memory(m);
    char *last = strrchr(copy, ':');
    if (last && last[1] != '/') {
        int r = check_permissions(m, last + 1);
        if (r < 0)
            return r;
        *last = '\0';
    }
    char *target = strchr(copy, ':');
    if (target)
        *target++ = '\0';
    return add_device(m, copy, target ? target : copy);
}

static bool is_size(yyjson_mut_val *word)
{
    return yyjson_mut_is_str(word) && strncmp(yyjson_mut_get_str(word), "size=", 5) == 0;
}

int prl_config_shm_size(struct prl_merge *m, const char *text)
{
    uint64_t bytes;
    char setting[40];
    size_t at;
    int r = prl_value_size("--shm-size", text, &bytes, m->reterr);

    if (r < 0)
        return r;
    yyjson_mut_val *shm =
        prl_config_find(prl_config_array(m, m->root, "mounts"), "destination", "/dev/shm", &at);
    if (!shm)
        return prl_config_bad(
            m, EINVAL, "--shm-size",
            "another option mounts /dev/shm: give the size there, or leave one "
            "of the two out");
    yyjson_mut_val *options = prl_config_array(m, shm, "options");
    prl_config_drop(options, is_size);
    snprintf(setting, sizeof setting, "size=%llu", (unsigned long long)bytes);
    prl_config_append(m, options, setting);
    return 0;
}

int prl_config_read_only(struct prl_merge *m, const char *text)
{
    static const struct {
        char target[12], mode[12];
    } rows[] = {{"/tmp", "mode=1777"}, {"/run", "mode=755"}, {"/var/tmp", "mode=1777"}};
    static const char words[][12] = {"rw", "nosuid", "nodev"};
    const char *keep = prl_options_get(m->options, "read-only-tmpfs");
    bool on = strcmp(text, "true") == 0;
    size_t at;

    prl_config_set(m, prl_config_object(m, m->root, "root"), "readonly",
                   yyjson_mut_bool(m->doc, on));
    if (!on || (keep && strcmp(keep, "false") == 0))
        return 0;
    yyjson_mut_val *mounts = prl_config_array(m, m->root, "mounts");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (prl_config_find(mounts, "destination", rows[i].target, &at) ||
            prl_config_find(m->user_mounts, "destination", rows[i].target, &at))
            continue;
        struct prl_config_mount mount = {NULL, "tmpfs", "tmpfs", rows[i].target,
                                         yyjson_mut_arr(m->doc)};
        for (size_t j = 0; j < sizeof words / sizeof *words; j++)
            prl_config_append(m, mount.options, words[j]);
        prl_config_append(m, mount.options, rows[i].mode);
        prl_config_place_mount(m, &mount);
    }
    return 0;
}

static size_t depth(yyjson_mut_val *mount)
{
    const char *target = prl_config_text(mount, "destination");
    size_t count = 0;

    for (; target && *target; target++)
        count += *target == '/';
    return count;
}

/* The user's mounts after the template's, parents before what lies in them, else as asked. */
void prl_config_finish_mounts(struct prl_merge *m)
{
    yyjson_mut_val *mounts = prl_config_array(m, m->root, "mounts");

    while (yyjson_mut_arr_size(m->user_mounts) > 0) {
        yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(m->user_mounts);
        yyjson_mut_val *mount;
        size_t best = 0, best_depth = SIZE_MAX;
        for (size_t i = 0; (mount = yyjson_mut_arr_iter_next(&iter)); i++) {
            if (depth(mount) < best_depth) {
                best = i;
                best_depth = depth(mount);
            }
        }
        yyjson_mut_arr_append(mounts, yyjson_mut_arr_remove(m->user_mounts, best));
    }
}
