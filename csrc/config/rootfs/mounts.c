/* mounts.c: the list of mounts: tmpfs, devices, shm, read-only root, their order.
 * In: option values.  Out: /mounts, /root/readonly.
 * Never: a mount on "/" or below /proc (what the kernel shows there must stay the kernel's). */
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/options/exports.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A mount of our own words, which the reader of config.json knows. */
static int make_mount(struct prl_merge *m, const struct prl_config_mount *from,
                      struct prl_mount *ret)
{
    struct prl_mount mount = {.type = prl_config_copy(m, from->type),
                              .source = prl_config_copy(m, from->source),
                              .destination = from->target ? prl_config_copy(m, from->target)
                                                          : ret->destination,
                              .data = prl_config_copy(m, from->data ? from->data : ""),
                              .bind = strcmp(from->type, "bind") == 0};

    for (size_t i = 0; from->words[i]; i++) {
        int r = prl_spec_mount_option(&m->reader, NULL, from->words[i], &mount);
        if (r != 0)
            return r < 0 ? r : prl_config_bad(m, EINVAL, "mount", "%s", from->words[i]);
    }
    *ret = mount;
    return 0;
}

static void forget_target(struct prl_merge *m, const char *target)
{
    struct prl_mount *mount;

    while ((mount = prl_config_find_mount(m, NULL, target)))
        prl_config_forget_mount(m, mount);
}

void prl_config_forget_mount(struct prl_merge *m, struct prl_mount *mount)
{
    const struct prl_mount *end = m->spec->mounts + m->spec->mounts_len--;
    memmove(mount, mount + 1, (size_t)(end - mount - 1) * sizeof *mount);
}

static int append_mount(struct prl_merge *m, const struct prl_mount *mount)
{
    struct prl_spec *spec = m->spec;
    struct prl_mount *list =
        prl_spec_grow(&m->reader, spec->mounts, spec->mounts_len, sizeof *list);

    if (!list)
        return -ENOMEM;
    list[spec->mounts_len++] = *mount;
    spec->mounts = list;
    return 0;
}

void prl_config_place_mount(struct prl_merge *m, const struct prl_config_mount *from)
{
    struct prl_mount mount;
    int r = make_mount(m, from, &mount);

    forget_target(m, from->target);
    if (r == 0)
        r = append_mount(m, &mount);
    if (r < 0 && m->failed == 0)
        m->failed = r;
}

void prl_config_replace_mount(struct prl_merge *m, const struct prl_config_mount *from,
                              struct prl_mount *mount)
{
    int r = make_mount(m, from, mount);

    if (r < 0 && m->failed == 0)
        m->failed = r;
}

const struct prl_mount *prl_config_taken(const struct prl_merge *m, const char *target)
{
    for (size_t i = 0; i < m->user_mounts_len; i++)
        if (strcmp(m->user_mounts[i].destination, target) == 0)
            return &m->user_mounts[i];
    return NULL;
}

bool prl_config_is_taken(const struct prl_merge *m, const char *target)
{
    return prl_config_taken(m, target) != NULL;
}

int prl_config_take_mount(struct prl_merge *m, const struct prl_mount *from)
{
    struct prl_mount *list =
        prl_spec_grow(&m->reader, m->user_mounts, m->user_mounts_len, sizeof *list);
    if (!list)
        return -ENOMEM;
    forget_target(m, from->destination);
    m->user_mounts = list;
    list[m->user_mounts_len] = *from;
    list[m->user_mounts_len].source = prl_config_copy(m, from->source);
    list[m->user_mounts_len].destination = prl_config_copy(m, from->destination);
    list[m->user_mounts_len].type = prl_config_copy(m, from->type);
    list[m->user_mounts_len++].data = prl_config_copy(m, from->data);
    return m->failed;
}

int prl_config_add_mount(struct prl_merge *m, const struct prl_config_mount *mount)
{
    const char *target = mount->target;

    if (strcmp(target, "/") == 0)
        return prl_config_bad(m, EINVAL, mount->option,
                              "nothing can be mounted on \"/\": use --rootfs for another root");
    if (strncmp(target, "/proc", 5) == 0 && (target[5] == '/' || !target[5]))
        return prl_config_bad(m, EINVAL, mount->option,
                              "nothing can be mounted on %.80s, /proc is the kernel's: choose "
                              "another place",
                              target);
    if (prl_config_is_taken(m, target))
        return prl_config_bad(m, EINVAL, mount->option,
                              "two options mount something on %.100s: leave one out", target);
    forget_target(m, target);
    struct prl_mount *list =
        prl_spec_grow(&m->reader, m->user_mounts, m->user_mounts_len, sizeof *list);
    if (!list)
        return -ENOMEM;
    m->user_mounts = list;
    return make_mount(m, mount, &list[m->user_mounts_len++]);
}

void prl_config_add_data(char *data, size_t size, const char *word, size_t len)
{
    size_t used = strlen(data);
    snprintf(data + used, size - used, "%s%.*s", used ? "," : "", (int)len, word);
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
    struct prl_config_mount mount = {.option = option, .type = "tmpfs", .source = "tmpfs"};
    const char **flags = mount.words;
    _cleanup_free_ char *target = NULL;
    char data[4096] = "";
    int r = prl_value_target(option, typed_target, &target, m->reterr);

    memcpy(flags, (const char *[]){"nosuid", "nodev", "noexec", "rw"}, 4 * sizeof *flags);
    mount.target = target;
    mount.data = data;
    if (strlen(options) >= sizeof data)
        return prl_config_bad(m, EINVAL, option, "the options of the tmpfs are too long");

    for (const char *at = options; r >= 0 && *at;) {
        size_t len = strcspn(at, ","), slot;
        const char *flag = tmpfs_flag(at, len, &slot);
        if (flag)
            flags[slot] = flag;
        else if (is_tmpfs_setting(at, len))
            prl_config_add_data(data, sizeof data, at, len);
        else if (len > 0)
            r = prl_config_bad(m, EINVAL, option,
                               "\"%.*s\" is no option of a tmpfs: use size=64m, mode=1777, "
                               "nr_inodes=1000, uid=, gid=, ro, exec, suid, dev",
                               (int)(len < 60 ? len : 60), at);
        at += len + (at[len] == ',');
    }
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
    _cleanup_free_ char *real = NULL, *clean = NULL;
    struct stat st;
    int r = prl_config_host_path(m, "--device", copy, &real);

    if (r < 0)
        return r;
    if (stat(real, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
        return prl_config_bad(m, EINVAL, "--device",
                              "%.120s is not a device: use -v for files and directories", copy);
    r = prl_value_target("--device", (target ? target : copy), &clean, m->reterr);
    if (r < 0)
        return r;
    const struct prl_config_mount mount = {
        "--device", "bind", real, clean, {"bind", "rprivate", "nosuid", "noexec", "rw"}, NULL};
    r = prl_config_add_mount(m, &mount);
    return r < 0 ? r : prl_config_guard(m, mount.option, real, clean);
}

int prl_config_shm_size(struct prl_merge *m, const char *text)
{
    uint64_t bytes;
    char setting[40], data[4096] = "";
    struct prl_mount *shm = prl_config_find_mount(m, NULL, "/dev/shm");
    int r = prl_value_size("--shm-size", text, &bytes, m->reterr);

    if (r < 0 || bytes == 0) /* docker's rule: 0 is the default */
        return r;
    if (!shm)
        return prl_config_bad(
            m, EINVAL, "--shm-size",
            "another option mounts /dev/shm: give the size there, or leave one "
            "of the two out");
    snprintf(setting, sizeof setting, "size=%llu", (unsigned long long)bytes);
    for (const char *at = shm->data; *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, "size=", 5) != 0)
            prl_config_add_data(data, sizeof data, at, strcspn(at, ","));
    prl_config_add_data(data, sizeof data, setting, strlen(setting));
    shm->data = prl_config_copy(m, data);
    return 0;
}

int prl_config_read_only(struct prl_merge *m, const char *text)
{
    static const struct {
        char target[12], mode[12];
    } rows[] = {{"/tmp", "mode=1777"}, {"/run", "mode=755"}, {"/var/tmp", "mode=1777"}};
    const char *keep = prl_options_get(m->options, "read-only-tmpfs");
    bool on = strcmp(text, "true") == 0;

    m->spec->rootfs.readonly = on;
    if (!on || (keep && strcmp(keep, "false") == 0))
        return 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct prl_config_mount mount = {
            NULL, "tmpfs", "tmpfs", rows[i].target, {"rw", "nosuid", "nodev"}, rows[i].mode};
        if (!prl_config_find_mount(m, NULL, rows[i].target) &&
            !prl_config_is_taken(m, rows[i].target))
            prl_config_place_mount(m, &mount);
    }
    return 0;
}

static size_t depth(const struct prl_mount *mount)
{
    size_t count = 0;

    for (const char *at = mount->destination; *at; at++)
        count += *at == '/';
    return count;
}

/* The user's mounts after the template's, parents before what lies in them, else as asked. */
void prl_config_finish_mounts(struct prl_merge *m)
{
    size_t deepest = 0;

    for (size_t i = 0; i < m->user_mounts_len; i++)
        if (depth(&m->user_mounts[i]) > deepest)
            deepest = depth(&m->user_mounts[i]);
    for (size_t at = 0; at <= deepest; at++)
        for (size_t i = 0; i < m->user_mounts_len; i++)
            if (depth(&m->user_mounts[i]) == at && append_mount(m, &m->user_mounts[i]) < 0)
                m->failed = -ENOMEM;
}
