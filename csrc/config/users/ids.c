/* ids.c: who the ids of the container are: --userns, --group-add, the id maps.
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
#include "config/parts.h"

#include "base/error.h"
#include "base/own.h"
#include "config/network/shared.h"
#include "config/users/passwd.h"
#include "userns/exports.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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

/* PROC_USER_INIT_INO of the kernel. */
static bool in_first_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == 0xEFFFFFFDu;
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

/* Both are in one user namespace, so there is nothing to choose. */
static int take_kind(struct prl_merge *m, const char **asked)
{
    const char *kind = m->facts->shared_network->userns;
    if (*asked && strcmp(*asked, "auto") != 0 && strcmp(*asked, "host") != 0 &&
        strcmp(*asked, kind) != 0)
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
    const char *uids = prl_config_note_get(m, "ids.uids");
    const char *gids = prl_config_note_get(m, "ids.gids");
    int r = uids ? prl_ids_parse(uids, m->facts->uid, &m->uids) : 0;
    if (r == 0 && gids)
        r = prl_ids_parse(gids, m->facts->gid, &m->gids);
    if (r < 0)
        return prl_failf(m->reterr, PRL_STAGE_TEMPLATE, -r, "template",
                         "/annotations/io.pyrootless.ids are no ranges of ids: prepare the "
                         "image again");
    if (r == 0 && m->facts->shared_network)
        r = take_kind(m, &asked);
    if (r < 0)
        return r;
    /* docker's host turns a daemon's map off.  Here the ids are the caller's in any case. */
    if (!asked || strcmp(asked, "auto") == 0 || strcmp(asked, "host") == 0) {
        m->userns = choose_freely(m);
        return refresh_ids(m);
    }
    m->overflow = strcmp(asked, "range:overflow") == 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(m->overflow ? "range" : asked, names[i]) != 0)
            continue;
        m->userns = (enum prl_userns)i;
        r = refresh_ids(m);
        if (r < 0 || i == PRL_USERNS_SINGLE)
            return r;
        if (m->uids.len && m->gids.len)
            return 0;
        return prl_failf(m->reterr, PRL_STAGE_IDMAP, ERANGE, OPTION,
                         "%s needs subordinate ids, and this user has none", asked);
    }
    return prl_config_bad(m, EINVAL, OPTION,
                          "\"%.60s\" is no map of ids: write auto, single, range, keep-id or "
                          "nomap",
                          asked);
}

int prl_config_add_gid(struct prl_merge *m, uint32_t gid)
{
    struct prl_process *process = &m->spec->process;
    uint32_t *all = (uint32_t *)(uintptr_t)process->additional_gids;

    for (size_t i = 0; i < process->additional_gids_len; i++)
        if (all[i] == gid)
            return 0;
    all = prl_spec_grow(&m->reader, all, process->additional_gids_len, sizeof *all);
    if (!all)
        return -ENOMEM;
    all[process->additional_gids_len++] = gid;
    process->additional_gids = all;
    return 0;
}

static const char KEEP[] = "keep-groups";

/* For `exec -u`, which has the user's groups and these. */
static int note_group(struct prl_merge *m, uint32_t gid)
{
    const char *noted = prl_config_note_get(m, "group-add");
    size_t room = (noted ? strlen(noted) : 0) + 16;
    _cleanup_free_ char *text = malloc(room);

    if (!text)
        return prl_config_memory(m);
    snprintf(text, room, "%s%s%u", noted ? noted : "", noted ? "," : "", (unsigned)gid);
    prl_config_note(m, "group-add", text);
    return prl_config_add_gid(m, gid);
}

int prl_config_added_groups(struct prl_merge *m)
{
    const char *at = prl_config_note_get(m, "group-add");
    int r = 0;

    for (char *end; r == 0 && at && *at; at = *end == ',' ? end + 1 : NULL)
        r = prl_config_add_gid(m, (uint32_t)strtoul(at, &end, 10));
    return r;
}

/* Everybody else's groups are those of the image; with one id there is one group, and a fake
 * root may remember others. */
int prl_config_group_add(struct prl_merge *m, const char *text)
{
    if (strcmp(text, KEEP) == 0) {
        /* podman's word.  The kernel knows the caller's groups by no number of the container's,
         * so none can be given beside them. */
        const struct prl_options *o = m->options;
        for (size_t i = 0; i < o->values_len; i++)
            if (strcmp(o->values[i].option->name, "group-add") == 0 &&
                strcmp(o->values[i].text, KEEP) != 0)
                return prl_config_bad(m, EINVAL, "--group-add",
                                      "keep-groups goes with no other group: leave %.60s out",
                                      o->values[i].text);
        m->spec->process.keep_groups = true;
        m->spec->process.additional_gids_len = 0;
        return 0;
    }
    const char *const *dirs = prl_config_root_dirs(m);
    uint32_t gid = 0;
    if (!dirs)
        return prl_config_memory(m);
    const struct prl_passwd_root root = {.dirs = dirs};
    int r = prl_passwd_group(&root, text, &gid, m->reterr);
    if (r < 0)
        return r;
    if (m->userns == PRL_USERNS_SINGLE && gid != m->spec->process.gid &&
        !prl_config_may_claim(m))
        return prl_config_bad(m, EINVAL, "--group-add",
                              "%.60s does not exist in a container of one id: add "
                              "--userns=range",
                              text);
    return note_group(m, gid);
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

static void copy_map(struct prl_merge *m, const struct prl_idmap *rows, size_t len,
                     const struct prl_idmap **ret)
{
    struct prl_idmap *copy;

    if (prl_spec_new_array(&m->reader, len, sizeof *copy, &copy) < 0) {
        m->failed = -ENOMEM;
        return;
    }
    memcpy(copy, rows, len * sizeof *copy);
    *ret = copy;
}

static void set_maps(struct prl_merge *m, const struct prl_idmap *uids, size_t uids_len,
                     const struct prl_idmap *gids, size_t gids_len)
{
    m->spec->uid_maps_len = uids_len;
    m->spec->gid_maps_len = gids_len;
    copy_map(m, uids, uids_len, &m->spec->uid_maps);
    copy_map(m, gids, gids_len, &m->spec->gid_maps);
}

static int check_mapped(struct prl_merge *m, const struct prl_idmap *rows, size_t len,
                        const char *what, uint32_t number)
{
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++) {
        if (number >= rows[i].container_id && number - rows[i].container_id < rows[i].size)
            return 0;
        count += rows[i].size;
    }
    return prl_failf(m->reterr, PRL_STAGE_IDMAP, ERANGE, OPTION,
                     "the program's %s %" PRIu32 " is none of the %" PRIu64
                     " that your subordinate ids make",
                     what, number, count);
}

static int set_range(struct prl_merge *m)
{
    static const enum prl_ids_map how[] = {[PRL_USERNS_RANGE] = PRL_IDS_MAP_RANGE,
                                           [PRL_USERNS_KEEP_ID] = PRL_IDS_MAP_KEEP,
                                           [PRL_USERNS_NOMAP] = PRL_IDS_MAP_NONE};
    struct prl_idmap uids[PRL_IDMAP_ROWS], gids[PRL_IDMAP_ROWS];
    const struct prl_process *process = &m->spec->process;

    size_t uids_len = prl_ids_map(how[m->userns], m->facts->uid, &m->uids, uids);
    size_t gids_len = prl_ids_map(how[m->userns], m->facts->gid, &m->gids, gids);
    set_maps(m, uids, uids_len, gids, gids_len);
    int r = check_mapped(m, uids, uids_len, "user", process->uid);
    if (r == 0)
        r = check_mapped(m, gids, gids_len, "group", process->gid);
    for (size_t i = 0; r == 0 && i < process->additional_gids_len; i++)
        r = check_mapped(m, gids, gids_len, "group", process->additional_gids[i]);
    return r;
}

/* What the caller owns on disk nobody owns under nomap, and an overlay of the kernel's could
 * neither enter the store nor write to the upper directory. */
static int check_nomap(struct prl_merge *m)
{
    if (m->spec->rootfs.driver == PRL_DRIVER_FUSE)
        return 0;
    if (!prl_options_flag(m->options, "rootfs"))
        return prl_config_bad(m, EINVAL, OPTION,
                              "nomap cannot show an image of the store, whose files are yours: "
                              "use --userns=keep-id, a tree with --rootfs, or "
                              "--storage-driver fuse-overlayfs");
    if (m->spec->rootfs.upper == PRL_UPPER_DISK)
        return prl_config_bad(m, EINVAL, OPTION,
                              "nomap cannot write to a directory of yours: add --ephemeral, or "
                              "use the tree in place (--rootfs DIR)");
    return 0;
}

/* docker's group of terminals, which is there when many ids are. */
static void set_terminal_group(struct prl_merge *m)
{
    char data[4096];
    struct prl_mount *devpts = prl_config_find_mount(m, "devpts", NULL);

    if (!devpts || !m->gids.len || prl_ids_count(&m->gids) <= TTY_GROUP)
        return;
    snprintf(data, sizeof data, "%s", devpts->data);
    prl_config_add_data(data, sizeof data, "gid=5", 5);
    devpts->data = prl_config_copy(m, data);
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
        /* The one id a plain user may map: whoever the program runs as inside is the caller
         * outside. With a fake root that remembers this is always root: it becomes the user by
         * claim. */
        struct prl_process *process = &m->spec->process;
        bool claimed = m->spec->fake_root == PRL_FAKE_ROOT_REMEMBER;
        const struct prl_idmap uid = {claimed ? 0 : process->uid, m->facts->uid, 1};
        const struct prl_idmap gid = {claimed ? 0 : process->gid, m->facts->gid, 1};

        set_maps(m, &uid, 1, &gid, 1);
        if (!claimed)
            process->additional_gids_len = 0;
        return 0;
    }
    char path[PATH_MAX];
    bool without = prl_options_flag(m->options, "no-holder") || m->facts->shared_network;
    if (!without && m->facts->runtime_dir) {
        if (snprintf(path, sizeof path, "%s/holder", m->facts->runtime_dir) < (int)sizeof path)
            prl_config_note(m, "userns.holder", path);
        if (m->facts->launcher)
            prl_config_note(m, "launcher", m->facts->launcher);
    }
    if (m->userns == PRL_USERNS_NOMAP)
        r = check_nomap(m);
    if (r == 0)
        r = set_range(m);
    set_terminal_group(m);
    return r;
}
