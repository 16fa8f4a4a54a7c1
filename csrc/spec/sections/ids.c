/* ids.c: the maps of the user namespace, and that the process's ids are in them.
 * In: /linux/uidMappings, /linux/gidMappings.  Out: ranges the kernel will take.  Never: a look
 * at /etc/subuid; what the user may map is the kernel's and newuidmap's to say.
 * Source: user_namespaces(7), OCI runtime-spec config-linux.md, "User namespace mappings". */
#include "spec/parts.h"

#include <inttypes.h>

enum { EXTENTS_MAX = 340 }; /* lines of a map, user_namespaces(7), since Linux 4.15 */

static bool overlap(uint32_t a, uint32_t b, uint32_t size_a, uint32_t size_b)
{
    return a < (uint64_t)b + size_b && b < (uint64_t)a + size_a;
}

static int check_range(const struct prl_spec_reader *reader, const char *key,
                       const struct prl_idmap *maps, size_t index)
{
    const struct prl_idmap *m = &maps[index];
    if ((uint64_t)m->container_id + m->size > UINT32_MAX ||
        (uint64_t)m->host_id + m->size > UINT32_MAX)
        return prl_spec_fail(reader, "/linux/%s/%zu reaches beyond id 4294967294", key, index);
    for (size_t i = 0; i < index; i++)
        if (overlap(m->container_id, maps[i].container_id, m->size, maps[i].size) ||
            overlap(m->host_id, maps[i].host_id, m->size, maps[i].size))
            return prl_spec_fail(reader, "/linux/%s/%zu overlaps /linux/%s/%zu", key, index,
                                 key, i);
    return 0;
}

static int check_map(const struct prl_spec_reader *reader, const char *key,
                     const struct prl_idmap *maps, size_t len)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < len; i++)
        r = check_range(reader, key, maps, i);
    return r;
}

static int read_map(const struct prl_spec_reader *reader, yyjson_val *section, const char *key,
                    const struct prl_idmap **ret, size_t *ret_len)
{
    yyjson_val *list = yyjson_obj_get(section, key), *entry;
    struct prl_idmap *maps;
    size_t i, max, len = yyjson_arr_size(list);
    if (list && len == 0)
        return prl_spec_fail(reader, "/linux/%s is empty: a user namespace needs it", key);
    if (len > EXTENTS_MAX)
        return prl_spec_fail(reader, "/linux/%s has %zu entries, the kernel takes %d", key, len,
                             EXTENTS_MAX);
    int r = prl_spec_new_array(reader, len, sizeof *maps, &maps);
    if (r < 0)
        return r;
    yyjson_arr_foreach(list, i, max, entry)
    {
        maps[i].container_id = (uint32_t)yyjson_get_uint(yyjson_obj_get(entry, "containerID"));
        maps[i].host_id = (uint32_t)yyjson_get_uint(yyjson_obj_get(entry, "hostID"));
        maps[i].size = (uint32_t)yyjson_get_uint(yyjson_obj_get(entry, "size"));
    }
    *ret = maps;
    *ret_len = len;
    return 0;
}

int prl_spec_read_idmaps(const struct prl_spec_reader *reader, yyjson_val *section,
                         struct prl_spec *ret)
{
    int r = read_map(reader, section, "uidMappings", &ret->uid_maps, &ret->uid_maps_len);
    if (r < 0)
        return r;
    return read_map(reader, section, "gidMappings", &ret->gid_maps, &ret->gid_maps_len);
}

static bool is_mapped(const struct prl_idmap *maps, size_t len, uint32_t id)
{
    for (size_t i = 0; i < len; i++)
        if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].size)
            return true;
    return false;
}

int prl_spec_check_ids(const struct prl_spec_reader *reader, const struct prl_spec *spec)
{
    const struct prl_process *p = &spec->process;
    if (!spec->uid_maps_len || !spec->gid_maps_len)
        return prl_spec_fail(reader, "/linux/%s is missing: a user namespace needs it",
                             spec->uid_maps_len ? "gidMappings" : "uidMappings");
    int r = check_map(reader, "uidMappings", spec->uid_maps, spec->uid_maps_len);
    if (r == 0)
        r = check_map(reader, "gidMappings", spec->gid_maps, spec->gid_maps_len);
    if (r < 0)
        return r;
    if (spec->fake_root == PRL_FAKE_ROOT_REMEMBER)
        return 0; /* claimed ids need no map */
    if (!is_mapped(spec->uid_maps, spec->uid_maps_len, p->uid))
        return prl_spec_fail(
            reader, "/process/user/uid is %" PRIu32 ", which /linux/uidMappings lacks", p->uid);
    if (!is_mapped(spec->gid_maps, spec->gid_maps_len, p->gid))
        return prl_spec_fail(
            reader, "/process/user/gid is %" PRIu32 ", which /linux/gidMappings lacks", p->gid);
    for (size_t i = 0; i < p->additional_gids_len; i++)
        if (!is_mapped(spec->gid_maps, spec->gid_maps_len, p->additional_gids[i]))
            return prl_spec_fail(reader,
                                 "/process/user/additionalGids/%zu is %" PRIu32
                                 ", which /linux/gidMappings lacks",
                                 i, p->additional_gids[i]);
    return 0;
}
