/* linux.c: /linux → namespaces, devices, sysctls, hidden paths.
 * In: the section, types already checked.  Out: kernel numbers and paths in one spelling.
 * Never: a privilege assumed: what would need the host's root is refused here. Source: OCI
 * runtime-spec config-linux.md. */
#include "spec/parse.h"
#include "spec/parts.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    char type[8];
    uint64_t flag;
} namespace_types[] = {
    {"pid", CLONE_NEWPID},       {"network", CLONE_NEWNET}, {"mount", CLONE_NEWNS},
    {"ipc", CLONE_NEWIPC},       {"uts", CLONE_NEWUTS},     {"user", CLONE_NEWUSER},
    {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

/* Without these nothing can be kept apart, and nothing can be ended as a whole. */
static const struct {
    uint64_t flag;
    char type[8], reason[44];
} needed_namespaces[] = {
    {CLONE_NEWUSER, "user", "every container is made without privileges"},
    {CLONE_NEWNS, "mount", "the host's mounts must stay as they are"},
    {CLONE_NEWPID, "pid", "a container ends with its first process"},
};

/* Which namespace a sysctl belongs to. Source: sysctl(8), Documentation/admin-guide/sysctl. */
static const struct {
    char prefix[20], type[8];
    uint64_t flag;
} sysctl_owners[] = {
    {"net/", "network", CLONE_NEWNET},          {"fs/mqueue/", "ipc", CLONE_NEWIPC},
    {"kernel/msg", "ipc", CLONE_NEWIPC},        {"kernel/sem", "ipc", CLONE_NEWIPC},
    {"kernel/shm", "ipc", CLONE_NEWIPC},        {"kernel/hostname", "uts", CLONE_NEWUTS},
    {"kernel/domainname", "uts", CLONE_NEWUTS},
};

static const struct prl_spec_place root_place = {.up = NULL};
static const struct prl_spec_place linux_place = {.up = &root_place, .key = "linux"};

const char *prl_spec_namespace(size_t index, uint64_t *ret_flag)
{
    if (index >= sizeof namespace_types / sizeof *namespace_types)
        return NULL;
    *ret_flag = namespace_types[index].flag;
    return namespace_types[index].type;
}

static uint64_t find_namespace(const char *type)
{
    for (size_t i = 0; i < sizeof namespace_types / sizeof *namespace_types; i++)
        if (strcmp(namespace_types[i].type, type) == 0)
            return namespace_types[i].flag;
    return 0;
}

static int read_namespaces(const struct prl_spec_reader *reader, yyjson_val *list,
                           uint64_t *ret)
{
    size_t i, max;
    yyjson_val *entry;
    yyjson_arr_foreach(list, i, max, entry)
    {
        const char *type = yyjson_get_str(yyjson_obj_get(entry, "type"));
        uint64_t flag = find_namespace(type);
        if (!flag)
            return prl_spec_fail(reader,
                                 "/linux/namespaces/%zu/type is \"%s\", which is no namespace",
                                 i, prl_spec_show(type).text);
        if (*ret & flag)
            return prl_spec_fail(reader, "/linux/namespaces/%zu: \"%s\" is there twice", i,
                                 type);
        *ret |= flag;
    }
    return 0;
}

/* Types "c" and "u" are the same to Linux. */
static int read_device_type(const struct prl_spec_reader *reader,
                            const struct prl_spec_place *place, const char *type, char *ret)
{
    const struct prl_spec_place at = {.up = place, .key = "type"};
    if (strcmp(type, "p") == 0)
        return prl_spec_fail_at(reader, &at,
                                "is \"p\": a FIFO is not supported, let the "
                                "program make it");
    if (strlen(type) != 1 || !strchr("cub", type[0]))
        return prl_spec_fail_at(reader, &at, "is \"%s\", expected c, u or b",
                                prl_spec_show(type).text);
    *ret = type[0] == 'b' ? 'b' : 'c';
    return 0;
}

/* Some programs write the whole st_mode; its kind of file must then be the one of `type`. */
static int read_device_mode(const struct prl_spec_reader *reader,
                            const struct prl_spec_place *place, yyjson_val *value,
                            struct prl_device *ret)
{
    const struct prl_spec_place at = {.up = place, .key = "fileMode"};
    uint32_t mode = value ? (uint32_t)yyjson_get_uint(value) : 0666;
    uint32_t kind = mode & S_IFMT, wanted = ret->type == 'b' ? S_IFBLK : S_IFCHR;
    if (kind != 0 && kind != wanted)
        return prl_spec_fail_at(reader, &at, "is 0%o, which is another kind of file", mode);
    ret->mode = mode & 07777;
    return 0;
}

static int read_device(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                       yyjson_val *entry, struct prl_device *ret)
{
    static const char keys[][8] = {"major", "minor"};
    const struct prl_spec_place path_place = {.up = place, .key = "path"};
    int r = read_device_type(reader, place, yyjson_get_str(yyjson_obj_get(entry, "type")),
                             &ret->type);
    if (r == 0)
        r = read_device_mode(reader, place, yyjson_obj_get(entry, "fileMode"), ret);
    if (r == 0)
        r = prl_spec_normalise(reader, &path_place,
                               yyjson_get_str(yyjson_obj_get(entry, "path")), &ret->path);
    for (size_t i = 0; r == 0 && i < 2; i++) {
        const struct prl_spec_place at = {.up = place, .key = keys[i]};
        if (!yyjson_obj_get(entry, keys[i]))
            r = prl_spec_fail_at(reader, &at, "is missing");
    }
    ret->major = (uint32_t)yyjson_get_uint(yyjson_obj_get(entry, "major"));
    ret->minor = (uint32_t)yyjson_get_uint(yyjson_obj_get(entry, "minor"));
    return r;
}

static int read_devices(const struct prl_spec_reader *reader, yyjson_val *list,
                        struct prl_spec *ret)
{
    const struct prl_spec_place list_place = {.up = &linux_place, .key = "devices"};
    struct prl_device *devices;
    size_t i, max;
    yyjson_val *entry;
    int r = prl_spec_new_array(reader, yyjson_arr_size(list), sizeof *devices, &devices);
    if (r < 0)
        return r;
    yyjson_arr_foreach(list, i, max, entry)
    {
        const struct prl_spec_place place = {.up = &list_place, .index = i};
        r = read_device(reader, &place, entry, &devices[i]);
        if (r < 0)
            return r;
    }
    ret->devices = devices;
    ret->devices_len = yyjson_arr_size(list);
    return 0;
}

static bool has_bad_component(const char *path)
{
    for (const char *p = path;; p++) {
        size_t len = strcspn(p, "/");
        if (len == 0 || (len == 1 && *p == '.') || (len == 2 && memcmp(p, "..", 2) == 0))
            return true;
        p += len;
        if (!*p)
            return false;
    }
}

int prl_spec_read_sysctl(const struct prl_spec_reader *reader, const char *key,
                         const char *value, struct prl_sysctl *ret)
{
    char *path = prl_arena_strndup(reader->arena, key, strlen(key));
    ret->key = prl_arena_strndup(reader->arena, key, strlen(key));
    ret->value = prl_arena_strndup(reader->arena, value, strlen(value));
    if (!path || !ret->key || !ret->value)
        return prl_spec_no_memory(reader);
    /* sysctl(8): whichever of "." and "/" comes first separates; the other one then stands for
     * the first, so that "net.ipv4.conf.eth0/100.rp_filter" names the interface eth0.100. */
    if (path[strcspn(path, "./")] == '.')
        for (char *p = path; *p; p++)
            *p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
    if (has_bad_component(path))
        return prl_spec_fail(reader, "/linux/sysctl has the key \"%s\", which names no sysctl",
                             prl_spec_show(key).text);
    ret->path = path;
    return 0;
}

static int check_sysctl(const struct prl_spec_reader *reader, const struct prl_spec *spec,
                        const struct prl_sysctl *sysctl)
{
    const char *path = sysctl->path;
    for (size_t i = 0; i < sizeof sysctl_owners / sizeof *sysctl_owners; i++) {
        if (strncmp(path, sysctl_owners[i].prefix, strlen(sysctl_owners[i].prefix)) != 0 ||
            (spec->namespaces & sysctl_owners[i].flag))
            continue;
        return prl_spec_fail(reader, "/linux/sysctl/%s needs a \"%s\" namespace",
                             prl_spec_show(sysctl->key).text, sysctl_owners[i].type);
    }
    return 0;
}

static int check_paths(const struct prl_spec_reader *reader, const char *key,
                       const char *const *paths)
{
    const struct prl_spec_place list_place = {.up = &linux_place, .key = key};
    int r = 0;
    for (size_t i = 0; r == 0 && paths && paths[i]; i++) {
        const struct prl_spec_place place = {.up = &list_place, .index = i};
        r = strcmp(paths[i], "/") == 0 ? prl_spec_fail_at(reader, &place, "is the root itself")
                                       : prl_spec_need_absolute(reader, &place, paths[i]);
    }
    return r;
}

int prl_spec_check_linux(const struct prl_spec_reader *reader, const struct prl_spec *spec)
{
    int r = 0;
    for (size_t i = 0; i < sizeof needed_namespaces / sizeof *needed_namespaces; i++)
        if (!(spec->namespaces & needed_namespaces[i].flag))
            return prl_spec_fail(reader, "/linux/namespaces has no \"%s\": %s",
                                 needed_namespaces[i].type, needed_namespaces[i].reason);
    for (size_t i = 0; r == 0 && i < spec->sysctls_len; i++)
        r = check_sysctl(reader, spec, &spec->sysctls[i]);
    if (r == 0)
        r = check_paths(reader, "maskedPaths", spec->masked_paths);
    return r < 0 ? r : check_paths(reader, "readonlyPaths", spec->readonly_paths);
}

static int read_sysctls(const struct prl_spec_reader *reader, yyjson_val *map,
                        struct prl_spec *ret)
{
    struct prl_sysctl *sysctls;
    size_t i, max;
    yyjson_val *key, *value;
    if (!map) /* yyjson's loop adds to the null pointer */
        return 0;
    int r = prl_spec_new_array(reader, yyjson_obj_size(map), sizeof *sysctls, &sysctls);
    if (r < 0)
        return r;
    yyjson_obj_foreach(map, i, max, key, value)
    {
        r = prl_spec_read_sysctl(reader, yyjson_get_str(key), yyjson_get_str(value),
                                 &sysctls[i]);
        if (r < 0)
            return r;
    }
    ret->sysctls = sysctls;
    ret->sysctls_len = yyjson_obj_size(map);
    return 0;
}

static int read_paths(const struct prl_spec_reader *reader, yyjson_val *section,
                      const char *key, const char *const **ret)
{
    const struct prl_spec_place list_place = {.up = &linux_place, .key = key};
    yyjson_val *list = yyjson_obj_get(section, key), *path;
    const char **paths;
    size_t i, max;
    int r = prl_spec_new_array(reader, yyjson_arr_size(list), sizeof *paths, &paths);
    if (r < 0)
        return r;
    yyjson_arr_foreach(list, i, max, path)
    {
        const struct prl_spec_place place = {.up = &list_place, .index = i};
        r = prl_spec_normalise(reader, &place, yyjson_get_str(path), &paths[i]);
        if (r < 0)
            return r;
    }
    *ret = paths;
    return 0;
}

static int read_words(const struct prl_spec_reader *reader, yyjson_val *section,
                      struct prl_spec *ret)
{
    const char *word = yyjson_get_str(yyjson_obj_get(section, "rootfsPropagation"));
    const char *domain =
        yyjson_get_str(yyjson_obj_get(yyjson_obj_get(section, "personality"), "domain"));
    ret->rootfs_propagation = word ? prl_spec_propagation(word) : 0;
    if (word && word[0] && !ret->rootfs_propagation)
        return prl_spec_fail(
            reader,
            "/linux/rootfsPropagation is \"%s\", expected private, shared, slave or unbindable",
            prl_spec_show(word).text);
    if (domain && strcmp(domain, "LINUX") != 0)
        return prl_spec_fail(reader,
                             "/linux/personality/domain is \"%s\", which is not "
                             "supported: only LINUX is",
                             prl_spec_show(domain).text);
    ret->personality = domain != NULL;
    ret->has_seccomp = yyjson_obj_get(section, "seccomp") != NULL;
    return 0;
}

int prl_spec_read_linux(const struct prl_spec_reader *reader, yyjson_val *section,
                        struct prl_spec *ret)
{
    int r = read_namespaces(reader, yyjson_obj_get(section, "namespaces"), &ret->namespaces);
    if (r == 0)
        r = prl_spec_read_idmaps(reader, section, ret);
    if (r == 0)
        r = read_devices(reader, yyjson_obj_get(section, "devices"), ret);
    if (r == 0)
        r = read_sysctls(reader, yyjson_obj_get(section, "sysctl"), ret);
    if (r == 0)
        r = read_paths(reader, section, "maskedPaths", &ret->masked_paths);
    if (r == 0)
        r = read_paths(reader, section, "readonlyPaths", &ret->readonly_paths);
    if (r == 0)
        r = read_words(reader, section, ret);
    return r;
}
