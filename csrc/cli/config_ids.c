/* config_ids.c: who the ids of the container are: --userns, --group-add, the id maps.
 * In: the option, the template's subordinate ids, process.user.  Out: /linux/uidMappings and
 * gidMappings, groups, the lower directories that fit the map, what was chosen as an
 * annotation.  Never: a weaker map than the one that was asked for.
 *
 *   single   the program's id is the caller's; no other exists
 *   range    0 is the caller, 1 … are the subordinate ids
 *   keep-id  the caller's id is the same inside, the subordinate ids are around it
 *   nomap    the subordinate ids alone; the caller is nobody inside
 *   range:overflow  the same; files of ids beyond these are nobody's
 *   auto     range where image and machine bring 65536 ids, else single
 *
 * With --network container:NAME it is the kind of that container, whose namespace is shared. */
#include "cli/config_merge.h"

#include "base/error.h"
#include "base/mapping.h"
#include "base/own.h"
#include "cli/config_needs.h"
#include "cli/neighbour.h"
#include "cli/passwd.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { ENOUGH_IDS = 65535, TTY_GROUP = 5 }; /* beside the caller's own: 0 … 65535 */

#define OPTION "--userns"

static const char names[][8] = {
    [PRL_USERNS_SINGLE] = "single",
    [PRL_USERNS_RANGE] = "range",
    [PRL_USERNS_KEEP_ID] = "keep-id",
    [PRL_USERNS_NOMAP] = "nomap",
};

static int read_ids(struct prl_merge *m)
{
    const char *uids = prl_config_note_get(m, "ids.uids");
    const char *gids = prl_config_note_get(m, "ids.gids");
    int r = uids ? prl_ids_parse(uids, m->facts->uid, &m->uids) : 0;
    if (r == 0 && gids)
        r = prl_ids_parse(gids, m->facts->gid, &m->gids);
    if (r < 0)
        return prl_failf(m->reterr, PRL_STAGE_TEMPLATE, -r, "template",
                         "/annotations/io.pyrootless.ids are no ranges of ids: prepare the "
                         "image again");
    return 0;
}

/* PROC_USER_INIT_INO of the kernel. */
static bool in_first_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == 0xEFFFFFFDu;
}

unsigned prl_config_ids_here(void)
{
    return (unsigned)in_first_namespace() | (unsigned)prl_mapping_is_possible() << 1;
}

/* The template's ids are those of the user namespace it was prepared in, which `pyrootless
 * unshare` shares the store with.  Where the machine tells none, the template is believed; and
 * where it was made of files whose change would have made it stale, in the machine's first
 * namespace, as ours is. */
static int refresh_ids(struct prl_merge *m)
{
    struct prl_ids uids, gids;
    if (!m->facts->machine_ids || m->userns == PRL_USERNS_SINGLE)
        return 0;
    const char *lasting = prl_config_note_get(m, "ids.lasting");
    if (lasting && strcmp(lasting, "1") == 0 && in_first_namespace())
        return 0;
    m->machine = true;
    int r = prl_ids_granted(&uids, &gids);
    if (r < 0)
        return prl_fail_with(m->reterr, PRL_STAGE_IDMAP, -r, "read",
                             "/etc/subuid, /etc/subgid");
    if (uids.len && gids.len) {
        m->uids = uids;
        m->gids = gids;
    }
    return 0;
}

static enum prl_userns choose_freely(struct prl_merge *m)
{
    const char *image = prl_config_note_get(m, "image");
    bool host = image && strcmp(image, "host") == 0;
    bool enough =
        prl_ids_count(&m->uids) >= ENOUGH_IDS && prl_ids_count(&m->gids) >= ENOUGH_IDS;
    if (host || prl_options_flag(m->options, "rootfs") || !enough)
        return PRL_USERNS_SINGLE;
    return prl_mapping_is_possible() ? PRL_USERNS_RANGE : PRL_USERNS_SINGLE;
}

static int check_granted(struct prl_merge *m, const char *asked)
{
    if (m->uids.len && m->gids.len)
        return 0;
    return prl_failf(m->reterr, PRL_STAGE_IDMAP, ERANGE, OPTION,
                     "%s needs subordinate ids, and this user has none", asked);
}

/* Both are in one user namespace, so there is nothing to choose. */
static int take_kind(struct prl_merge *m, const char **asked)
{
    const char *kind = m->facts->neighbour->userns;
    if (*asked && strcmp(*asked, "auto") != 0 && strcmp(*asked, kind) != 0)
        return prl_config_bad(m, EINVAL, OPTION,
                              "the network of the other container belongs to its user "
                              "namespace, whose map is %s: leave --userns out",
                              kind);
    *asked = kind;
    return 0;
}

int prl_config_userns(struct prl_merge *m)
{
    const char *asked = prl_options_get(m->options, "userns");
    int r = read_ids(m);
    if (r == 0 && m->facts->neighbour)
        r = take_kind(m, &asked);
    if (r < 0)
        return r;
    if (!asked || strcmp(asked, "auto") == 0) {
        m->userns = choose_freely(m);
        return refresh_ids(m);
    }
    m->overflow = strcmp(asked, "range:overflow") == 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(m->overflow ? "range" : asked, names[i]) != 0)
            continue;
        m->userns = (enum prl_userns)i;
        r = refresh_ids(m);
        return r < 0 || i == PRL_USERNS_SINGLE ? r : check_granted(m, asked);
    }
    return prl_config_bad(m, EINVAL, OPTION,
                          "\"%.60s\" is no map of ids: write auto, single, range, keep-id or "
                          "nomap",
                          asked);
}

static yyjson_mut_val *process_user(struct prl_merge *m)
{
    return prl_config_object(m, prl_config_process(m), "user");
}

int prl_config_add_gid(struct prl_merge *m, uint32_t gid)
{
    yyjson_mut_val *all = prl_config_array(m, process_user(m), "additionalGids"), *have;
    yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(all);
    while ((have = yyjson_mut_arr_iter_next(&iter)))
        if (yyjson_mut_get_uint(have) == gid)
            return 0;
    return yyjson_mut_arr_add_uint(m->doc, all, gid) ? 0 : prl_config_memory(m);
}

static const char KEEP[] = "keep-groups";

/* podman's word.  The kernel knows the caller's groups by no number of the container's, so none
 * can be given beside them. */
static int keep_groups(struct prl_merge *m)
{
    const struct prl_options *o = m->options;
    for (size_t i = 0; i < o->values_len; i++)
        if (strcmp(o->values[i].option->name, "group-add") == 0 &&
            strcmp(o->values[i].text, KEEP) != 0)
            return prl_config_bad(m, EINVAL, "--group-add",
                                  "keep-groups goes with no other group: leave %.60s out",
                                  o->values[i].text);
    prl_config_note(m, "keep-groups", "1");
    prl_config_clear(m, process_user(m), "additionalGids");
    return 0;
}

/* Everybody else's groups are those of the image; with one id there is one group. */
int prl_config_group_add(struct prl_merge *m, const char *text)
{
    if (strcmp(text, KEEP) == 0)
        return keep_groups(m);
    _cleanup_free_ char **dirs = prl_config_root_dirs(m);
    uint32_t gid = 0;
    if (!dirs)
        return prl_config_memory(m);
    const struct prl_passwd_root root = {.dirs = (const char *const *)dirs};
    int r = prl_passwd_group(&root, text, &gid, m->reterr);
    if (r < 0)
        return r;
    uint64_t own = yyjson_mut_get_uint(yyjson_mut_obj_get(process_user(m), "gid"));
    if (m->userns == PRL_USERNS_SINGLE && gid != own)
        return prl_config_bad(m, EINVAL, "--group-add",
                              "%.60s does not exist in a container of one id: add "
                              "--userns=range",
                              text);
    return prl_config_add_gid(m, gid);
}

/* keep-id: the program is the caller, unless -u says who. */
int prl_config_keep_user(struct prl_merge *m, const char *text)
{
    char user[32];
    (void)text;
    if (m->userns != PRL_USERNS_KEEP_ID || prl_options_get(m->options, "user"))
        return 0;
    snprintf(user, sizeof user, "%u:%u", (unsigned)m->facts->uid, (unsigned)m->facts->gid);
    return prl_config_user(m, user);
}

static void set_map(struct prl_merge *m, const char *key, const struct prl_idmap *rows,
                    size_t len)
{
    yyjson_mut_val *linux_ = prl_config_linux(m);

    prl_config_clear(m, linux_, key);
    yyjson_mut_val *all = prl_config_array(m, linux_, key);
    for (size_t i = 0; i < len; i++) {
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(m->doc, all);
        if (!row) {
            m->no_memory = true;
            return;
        }
        prl_config_set_number(m, row, "containerID", rows[i].container_id);
        prl_config_set_number(m, row, "hostID", rows[i].host_id);
        prl_config_set_number(m, row, "size", rows[i].size);
    }
}

/* The one id a plain user may map: whoever the program runs as inside is the caller outside.
 * With a fake root that remembers this is always root: it becomes the user by claim. */
static void set_single(struct prl_merge *m)
{
    yyjson_mut_val *user = process_user(m);
    bool claimed = prl_config_remembers(m);
    uint64_t own_uid = yyjson_mut_get_uint(yyjson_mut_obj_get(user, "uid"));
    uint64_t own_gid = yyjson_mut_get_uint(yyjson_mut_obj_get(user, "gid"));
    const struct prl_idmap uid = {claimed ? 0 : (uint32_t)own_uid, m->facts->uid, 1};
    const struct prl_idmap gid = {claimed ? 0 : (uint32_t)own_gid, m->facts->gid, 1};

    set_map(m, "uidMappings", &uid, 1);
    set_map(m, "gidMappings", &gid, 1);
    if (!claimed)
        yyjson_mut_obj_remove_key(user, "additionalGids");
}

static int check_mapped(struct prl_merge *m, const struct prl_idmap *rows, size_t len,
                        const char *what, yyjson_mut_val *id)
{
    uint64_t number = yyjson_mut_get_uint(id), count = 0;
    for (size_t i = 0; i < len; i++) {
        if (number >= rows[i].container_id && number - rows[i].container_id < rows[i].size)
            return 0;
        count += rows[i].size;
    }
    return prl_failf(m->reterr, PRL_STAGE_IDMAP, ERANGE, OPTION,
                     "the program's %s %" PRIu64 " is none of the %" PRIu64
                     " that your subordinate ids make",
                     what, number, count);
}

static int set_range(struct prl_merge *m)
{
    static const enum prl_ids_map how[] = {[PRL_USERNS_RANGE] = PRL_IDS_MAP_RANGE,
                                           [PRL_USERNS_KEEP_ID] = PRL_IDS_MAP_KEEP,
                                           [PRL_USERNS_NOMAP] = PRL_IDS_MAP_NONE};
    struct prl_idmap rows[PRL_IDMAP_ROWS];
    yyjson_mut_val *user = process_user(m), *gid;

    size_t len = prl_ids_map(how[m->userns], m->facts->uid, &m->uids, rows);
    set_map(m, "uidMappings", rows, len);
    int r = check_mapped(m, rows, len, "user", yyjson_mut_obj_get(user, "uid"));
    len = prl_ids_map(how[m->userns], m->facts->gid, &m->gids, rows);
    set_map(m, "gidMappings", rows, len);
    if (r == 0)
        r = check_mapped(m, rows, len, "group", yyjson_mut_obj_get(user, "gid"));
    yyjson_mut_val *all = yyjson_mut_obj_get(user, "additionalGids");
    yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(all);
    while (r == 0 && (gid = yyjson_mut_arr_iter_next(&iter)))
        r = check_mapped(m, rows, len, "group", gid);
    return r;
}

/* What the caller owns on disk nobody owns under nomap, and an overlay of the kernel's could
 * neither enter the store nor write to the upper directory. */
static int check_nomap(struct prl_merge *m)
{
    const char *driver = prl_config_note_get(m, "rootfs.driver");
    const char *upper = prl_config_note_get(m, "rootfs.upper");

    if (driver && strcmp(driver, "fuse-overlayfs") == 0)
        return 0;
    if (!prl_options_flag(m->options, "rootfs"))
        return prl_config_bad(m, EINVAL, OPTION,
                              "nomap cannot show an image of the store, whose files are yours: "
                              "use --userns=keep-id, a tree with --rootfs, or "
                              "--storage-driver fuse-overlayfs");
    if (upper && strcmp(upper, "disk") == 0)
        return prl_config_bad(m, EINVAL, OPTION,
                              "nomap cannot write to a directory of yours: add --ephemeral, or "
                              "use the tree in place (--rootfs DIR)");
    return 0;
}

/* docker's group of terminals, which is there when many ids are. */
static void set_terminal_group(struct prl_merge *m)
{
    size_t at;
    yyjson_mut_val *mounts = prl_config_array(m, m->root, "mounts");
    yyjson_mut_val *devpts = prl_config_find(mounts, "type", "devpts", &at);

    if (devpts && m->gids.len && prl_ids_count(&m->gids) > TTY_GROUP)
        prl_config_append(m, prl_config_array(m, devpts, "options"), "gid=5");
}

static void set_holder(struct prl_merge *m)
{
    char path[PATH_MAX];
    bool without = prl_options_flag(m->options, "no-holder") || m->facts->neighbour;
    if (without || !m->facts->runtime_dir)
        return;
    if (snprintf(path, sizeof path, "%s/holder", m->facts->runtime_dir) < (int)sizeof path)
        prl_config_note(m, "userns.holder", path);
    if (m->facts->launcher)
        prl_config_note(m, "launcher", m->facts->launcher);
}

/* Files of the image would have other owners than the image says. */
static int check_owners(struct prl_merge *m)
{
    const char *unfit = prl_config_note_get(m, "rootfs.lower.unfit");
    const char *range = prl_config_note_get(m, "rootfs.lower.range");
    if (!unfit || m->userns != PRL_USERNS_RANGE || (m->overflow && range))
        return 0;
    return prl_failf(m->reterr, PRL_STAGE_IDMAP, EOVERFLOW, OPTION, "%s", unfit);
}

int prl_config_id_maps(struct prl_merge *m)
{
    const char *range = prl_config_note_get(m, "rootfs.lower.range");
    int r = check_owners(m);
    if (r < 0)
        return r;

    /* These layers have the owners of `range`: under another map they would be others'. */
    if (range && m->userns == PRL_USERNS_RANGE)
        prl_config_note(m, "rootfs.lower", range);
    prl_config_note_drop(m, "rootfs.lower.range");
    prl_config_note_drop(m, "ids.uids");
    prl_config_note_drop(m, "ids.gids");
    prl_config_note_drop(m, "ids.lasting");
    prl_config_note_drop(m, "rootfs.lower.unfit");
    prl_config_note(m, "userns", names[m->userns]);
    prl_config_note_drop(m, "userns.holder");
    if (m->userns == PRL_USERNS_SINGLE) {
        set_single(m);
        return 0;
    }
    set_holder(m);
    if (m->userns == PRL_USERNS_NOMAP)
        r = check_nomap(m);
    if (r == 0)
        r = set_range(m);
    set_terminal_group(m);
    return r;
}
