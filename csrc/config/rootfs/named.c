/* named.c: volumes of the store: -v NAME:TARGET, -v TARGET, --mount type=volume, --volumes-from
 * and the image's VOLUMEs.
 * In: names, targets.  Out: binds of DATA/volumes/NAME/_data, and a row of
 * io.pyrootless.volumes each.  Never: a volume made (the start does that), a look into the
 * store.
 *
 * The name of an anonymous one is the digest of the container's id and the target, so that a
 * description says the same twice.  An ephemeral container has none: what it writes there lies
 * in memory, like all it writes. */
#include "config/parts.h"

#include "base/error.h"
#include "base/name.h"
#include "base/own.h"
#include "base/sha256.h"
#include "base/sys_abi.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { NAME_LETTERS = 255 };

static int check_name(struct prl_merge *m, const struct prl_config_named *named)
{
    if (prl_name_has_form(named->name, NAME_LETTERS))
        return 0;
    return prl_config_bad(m, EINVAL, named->option,
                          "\"%.60s\" includes invalid characters for a local volume name, only "
                          "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed, two or more: for a "
                          "directory of the host write ./%.60s or the whole path",
                          named->name, named->name);
}

static void make_name(const struct prl_merge *m, const char *target, char ret[NAME_LETTERS + 1])
{
    char text[PATH_MAX + 80], digest[PRL_SHA256_TEXT];
    int n = snprintf(text, sizeof text, "%s %s", m->facts->id, target);
    prl_sha256(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, digest);
    snprintf(ret, NAME_LETTERS + 1, "%s", digest + strlen("sha256:"));
}

static int add_row(struct prl_merge *m, const struct prl_volume *row)
{
    struct prl_volume *list =
        prl_spec_grow(&m->reader, m->spec->volumes, m->spec->volumes_len, sizeof *list);
    if (!list)
        return -ENOMEM;
    list[m->spec->volumes_len] = (struct prl_volume){
        .name = prl_config_copy(m, row->name),
        .destination = prl_config_copy(m, row->destination),
        .anonymous = row->anonymous,
        .copy = row->copy,
    };
    m->spec->volumes = list;
    m->spec->volumes_len++;
    return m->failed;
}

/* Under this map the caller, whose the volume is, has no id in the container. */
static int check_map(struct prl_merge *m, const struct prl_config_named *named)
{
    if (m->userns != PRL_USERNS_NOMAP)
        return 0;
    return prl_config_bad(m, EINVAL, named->option,
                          "volumes are your own, and with --userns nomap you have no id in the "
                          "container: use --userns range or keep-id");
}

static int add(struct prl_merge *m, const struct prl_config_named *named, const char *target)
{
    char made[NAME_LETTERS + 1], path[PATH_MAX];
    if (strchr(target, '\n'))
        return prl_config_bad(m, EINVAL, named->option,
                              "a path with a line end in it cannot be used");
    if (!named->name)
        make_name(m, target, made);
    const char *name = named->name ? named->name : made;
    if (snprintf(path, sizeof path, "%s/volumes/%s/_data", m->facts->data_dir, name) >=
        (int)sizeof path)
        return prl_config_bad(m, ENAMETOOLONG, named->option,
                              "the path of the store is too long");
    struct prl_config_mount mount = {
        .option = named->option, .type = "bind", .source = path, .target = target};
    for (size_t i = 0; named->words[i]; i++)
        mount.words[i] = named->words[i];
    int r = prl_config_add_mount(m, &mount);
    const struct prl_volume row = {
        .name = name, .destination = target, .anonymous = !named->name, .copy = !named->nocopy};
    return r < 0 ? r : add_row(m, &row);
}

int prl_config_add_named(struct prl_merge *m, const struct prl_config_named *named)
{
    _cleanup_free_ char *target = NULL;
    int r = named->name ? check_name(m, named) : 0;
    if (r == 0)
        r = check_map(m, named);
    if (r == 0)
        r = prl_value_target(named->option, named->target, &target, m->reterr);
    if (r < 0)
        return r;
    if (!named->name && prl_options_flag(m->options, "ephemeral"))
        return 0;
    return add(m, named, target);
}

int prl_config_describe_named(struct prl_merge *m, const char *name, const char *kind,
                              const char *pair)
{
    const char *had = prl_config_note_get(m, "volumes.new");
    if (strchr(pair, '\n'))
        return prl_config_bad(m, EINVAL, "--mount",
                              "a text with a line end in it cannot be used");
    const char *text = prl_arena_printf(m->reader.arena, "%s%s%s %s %s", had ? had : "",
                                        had ? "\n" : "", name, kind, pair);
    if (!text)
        return prl_config_memory(m);
    prl_config_note(m, "volumes.new", text);
    return m->failed;
}

/* A line is an absolute path without "..", which whoever made the template saw to; the image
 * chose it, so it is checked like one that somebody typed. */
static int add_image_volume(struct prl_merge *m, const char *typed)
{
    static const char *const words[] = {"bind", "rprivate", "nosuid", "nodev", "rw", NULL};
    const struct prl_config_named named = {.option = "VOLUME", .target = typed, .words = words};
    _cleanup_free_ char *target = NULL;
    int r = prl_value_target(named.option, typed, &target, m->reterr);
    return r < 0 || prl_config_is_taken(m, target) ? r : add(m, &named, target);
}

int prl_config_image_volumes(struct prl_merge *m)
{
    const char *text = prl_config_note_get(m, "image.volumes");
    if (!text || m->userns == PRL_USERNS_NOMAP || prl_options_flag(m->options, "ephemeral"))
        return 0;
    _cleanup_free_ char *copy = strdup(text);
    char *save = NULL;
    int r = copy ? 0 : prl_config_memory(m);
    for (char *line = copy ? strtok_r(copy, "\n", &save) : NULL; line && r >= 0;
         line = strtok_r(NULL, "\n", &save))
        r = add_image_volume(m, line);
    return r < 0 ? r : 0;
}

static const struct prl_volume *row_of(const struct prl_spec *spec, const char *destination)
{
    for (size_t i = 0; i < spec->volumes_len; i++)
        if (strcmp(spec->volumes[i].destination, destination) == 0)
            return &spec->volumes[i];
    return NULL;
}

static bool is_lent(const struct prl_spec *spec, const char *destination)
{
    for (const char *const *one = spec->lent; one && *one; one++)
        if (strcmp(*one, destination) == 0)
            return true;
    return false;
}

/* Of the other container what somebody mounted in it; not a device, which is a bind too. */
static int take_from(struct prl_merge *m, const struct prl_donor *donor, size_t index)
{
    struct prl_mount mount = donor->spec->mounts[index];
    const struct prl_volume *row = row_of(donor->spec, mount.destination);
    bool lent = is_lent(donor->spec, mount.destination);
    if (!mount.bind || (!row && !lent) || prl_config_is_taken(m, mount.destination))
        return 0;
    if (donor->readonly) {
        mount.attr_set |= MOUNT_ATTR_RDONLY;
        mount.attr_clear &= ~(uint64_t)MOUNT_ATTR_RDONLY;
        mount.attr_set_recursive |= mount.recursive ? MOUNT_ATTR_RDONLY : 0;
    }
    int r = prl_config_take_mount(m, &mount);
    if (r >= 0 && lent)
        r = prl_config_guard(m, "--volumes-from", mount.source, mount.destination);
    return r < 0 || !row ? r : add_row(m, row);
}

int prl_config_volumes_from(struct prl_merge *m)
{
    int r = 0;
    for (size_t d = 0; r >= 0 && d < m->facts->donors_len; d++)
        for (size_t i = 0; r >= 0 && i < m->facts->donors[d].spec->mounts_len; i++)
            r = take_from(m, &m->facts->donors[d], i);
    return r < 0 ? r : 0;
}

static bool is_mount_of(const struct prl_spec *spec, const struct prl_mount *mount,
                        const char *name)
{
    const struct prl_volume *row = row_of(spec, mount->destination);
    return mount->bind && row && strcmp(row->name, name) == 0;
}

/* To a list of the spec's, with a NULL. */
static int append(const struct prl_spec_reader *reader, const char *const **list,
                  const char *text)
{
    size_t len = 0;
    while (*list && (*list)[len])
        len++;
    const char **larger = prl_spec_grow(reader, *list, len, sizeof *larger);
    if (!larger)
        return prl_spec_no_memory(reader);
    larger[len] = text;
    larger[len + 1] = NULL;
    *list = larger;
    return 0;
}

int prl_config_volume_device(struct prl_spec *spec, const char *name, const char *device,
                             const struct prl_config_facts *facts, struct prl_error *reterr)
{
    const struct prl_spec_reader reader = {.arena = spec->arena, .reterr = reterr};
    const char *const engine[] = {facts->data_dir, facts->runtime_dir, facts->scratch_dir};
    struct prl_mount *mounts = (struct prl_mount *)(uintptr_t)spec->mounts;
    bool watched = spec->unseen != NULL, changed = false;
    int r = 0;
    for (size_t i = 0; r == 0 && !watched && i < 3; i++)
        if (engine[i])
            r = append(&reader, &spec->unseen,
                       prl_arena_strndup(spec->arena, engine[i], strlen(engine[i])));
    for (size_t i = 0; r == 0 && i < spec->mounts_len; i++) {
        if (!is_mount_of(spec, &mounts[i], name) || strcmp(mounts[i].source, device) == 0)
            continue;
        changed = true;
        mounts[i].source = prl_arena_strndup(spec->arena, device, strlen(device));
        r = mounts[i].source ? append(&reader, &spec->lent, mounts[i].destination)
                             : prl_spec_no_memory(&reader);
    }
    return r < 0 ? r : changed;
}
