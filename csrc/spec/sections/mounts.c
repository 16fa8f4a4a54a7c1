/* mounts.c: /mounts → struct prl_mount, in the same order.
 * In: the section, types already checked.  Out: destinations in one spelling, flags apart from
 * file-system data.  Never: a look at sources or destinations.
 * Source: OCI runtime-spec config.md, "Mounts". */
#include "spec/parts.h"

#include <string.h>

enum { DATA_MAX_BYTES = 4095 }; /* mount(2) reads one page, with its NUL */

struct mount_place {
    struct prl_spec_place root, mounts, entry, field, element;
};

static void set_place(struct mount_place *at, size_t index)
{
    at->root = (struct prl_spec_place){.up = NULL};
    at->mounts = (struct prl_spec_place){.up = &at->root, .key = "mounts"};
    at->entry = (struct prl_spec_place){.up = &at->mounts, .index = index};
    at->field = (struct prl_spec_place){.up = &at->entry, .key = ""};
    at->element = (struct prl_spec_place){.up = &at->field};
}

/* Words that are not ours go to the file system, comma-joined, in their order. */
static int add_data(const struct prl_spec_reader *reader, const struct mount_place *at,
                    const char *option, char *data)
{
    const char *comma = strchr(option, ',');
    size_t used = strlen(data), len = strlen(option);
    if (len == 0)
        return prl_spec_fail_at(reader, &at->element, "is empty");
    if (comma && !memchr(option, '=', (size_t)(comma - option)))
        return prl_spec_fail_at(reader, &at->element,
                                "is \"%s\": each option must be an element of its own",
                                prl_spec_show(option).text);
    if (used + 1 + len > DATA_MAX_BYTES)
        return prl_spec_fail_at(reader, &at->field, "have more than %d bytes", DATA_MAX_BYTES);
    if (used > 0)
        data[used++] = ',';
    memcpy(data + used, option, len + 1);
    return 0;
}

static int read_options(const struct prl_spec_reader *reader, struct mount_place *at,
                        yyjson_val *options, struct prl_mount *mount)
{
    char data[DATA_MAX_BYTES + 1] = "";
    const char *foreign = NULL;
    size_t i, max, foreign_index = 0;
    yyjson_val *option;
    at->field.key = "options";
    yyjson_arr_foreach(options, i, max, option)
    {
        at->element.index = i;
        int r = prl_spec_mount_option(reader, &at->element, yyjson_get_str(option), mount);
        if (r == 1 && !foreign) {
            foreign = yyjson_get_str(option);
            foreign_index = i;
        }
        if (r == 1)
            r = add_data(reader, at, yyjson_get_str(option), data);
        if (r < 0)
            return r;
    }
    at->element.index = foreign_index;
    if (mount->bind && foreign)
        return prl_spec_fail_at(reader, &at->element,
                                "is \"%s\", which is no option of a bind mount",
                                prl_spec_show(foreign).text);
    mount->data = prl_arena_strndup(reader->arena, data, strlen(data));
    return mount->data ? 0 : prl_spec_no_memory(reader);
}

static int read_type(const struct prl_spec_reader *reader, struct mount_place *at,
                     yyjson_val *entry, struct prl_mount *mount)
{
    const char *type = yyjson_get_str(yyjson_obj_get(entry, "type"));
    at->field.key = "type";
    if (mount->bind) {
        mount->type = prl_arena_strndup(reader->arena, "bind", 4);
        return mount->type ? 0 : prl_spec_no_memory(reader);
    }
    if (!type || type[0] == '\0')
        return prl_spec_fail_at(reader, &at->field,
                                "is missing, and no option says that this is a bind mount");
    return prl_spec_copy_text(reader, yyjson_obj_get(entry, "type"), &mount->type);
}

static int read_mount(const struct prl_spec_reader *reader, yyjson_val *entry, size_t index,
                      struct prl_mount *mount)
{
    struct mount_place at;
    const char *type = yyjson_get_str(yyjson_obj_get(entry, "type"));
    set_place(&at, index);
    mount->bind = type && (strcmp(type, "bind") == 0 || strcmp(type, "none") == 0);
    at.field.key = "destination";
    int r = prl_spec_normalise(reader, &at.field,
                               yyjson_get_str(yyjson_obj_get(entry, "destination")),
                               &mount->destination);
    if (r == 0 && strcmp(mount->destination, "/") == 0)
        return prl_spec_fail_at(reader, &at.field,
                                "is the root itself: choose it with /root/path");
    if (r == 0)
        r = read_options(reader, &at, yyjson_obj_get(entry, "options"), mount);
    if (r == 0)
        r = read_type(reader, &at, entry, mount);
    if (r < 0)
        return r;
    at.field.key = "source";
    r = prl_spec_copy_text(reader, yyjson_obj_get(entry, "source"), &mount->source);
    if (r < 0 || !mount->bind)
        return r;
    if (!mount->source)
        return prl_spec_fail_at(reader, &at.field, "is missing: a bind mount needs it");
    return prl_spec_need_absolute(reader, &at.field, mount->source);
}

/* What a reader would not take again: paths that are too long. */
int prl_spec_check_mounts(const struct prl_spec_reader *reader, const struct prl_spec *spec)
{
    struct mount_place at;
    int r = 0;
    for (size_t i = 0; r == 0 && i < spec->mounts_len; i++) {
        const struct prl_mount *mount = &spec->mounts[i];
        set_place(&at, i);
        at.field.key = "destination";
        r = prl_spec_need_absolute(reader, &at.field, mount->destination);
        at.field.key = "source";
        if (r == 0 && mount->bind)
            r = prl_spec_need_absolute(reader, &at.field, mount->source);
    }
    return r;
}

int prl_spec_read_mounts(const struct prl_spec_reader *reader, yyjson_val *mounts,
                         struct prl_spec *ret)
{
    struct prl_mount *list;
    size_t i, max;
    yyjson_val *entry;
    int r = prl_spec_new_array(reader, yyjson_arr_size(mounts), sizeof *list, &list);
    if (r < 0)
        return r;
    yyjson_arr_foreach(mounts, i, max, entry)
    {
        r = read_mount(reader, entry, i, &list[i]);
        if (r < 0)
            return r;
    }
    ret->mounts = list;
    ret->mounts_len = yyjson_arr_size(mounts);
    return 0;
}
