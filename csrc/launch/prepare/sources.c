/* sources.c: what the caller lends to a container, and which of the engine's own
 * directories lie in it.
 * In: the targets of what is lent, the directories that must stay hidden.
 * Out: for each source what it is, which the child checks again; more paths to mask.
 * Never: a decision by path: a link may lead elsewhere by now, and a mount shows one directory
 * under two names.  So a place is a file system and the path in it.
 *
 * What the kernel does not tell is not seen: a file system that shows another one (an overlay,
 * a FUSE server, NFS of this machine's own).  Source: proc_pid_mountinfo(5). */
#include "launch/prepare/setup.h"

#include "base/arena.h"
#include "base/io.h"
#include "base/mountinfo.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TABLE_MAX_BYTES = 4 << 20, UNSEEN_MAX = 8 };

/* Where a directory lies, whatever it is called. */
struct place {
    unsigned major, minor;
    const char *path; /* from the root of the file system */
};

struct look {
    struct prl_setup *s;
    struct prl_arena *arena;
    struct prl_error *reterr;
    struct prl_mount_row *rows;
    size_t len;
    struct place unseen[UNSEEN_MAX];
    size_t unseen_len;
    const char **masks; /* what is to be masked, and beside what config.json says */
    size_t masks_len, masks_room;
};

static int out_of_memory(struct prl_error *reterr)
{
    return prl_fail_with(reterr, PRL_STAGE_MOUNTS, ENOMEM, "malloc", "volumes");
}

static int read_table(struct look *look, char **ret_text, struct prl_error *reterr)
{
    static const char path[] = "/proc/self/mountinfo";
    size_t len;
    int r = prl_io_read_file(AT_FDCWD, path, TABLE_MAX_BYTES, ret_text, &len);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_MOUNTS, -r, "read", path);
    look->rows = prl_mountinfo_parse(*ret_text, &look->len);
    return look->rows ? 0 : out_of_memory(reterr);
}

static const char *join(struct look *look, const char *one, const char *rest)
{
    return prl_arena_printf(look->arena, "%s%s", *rest && strcmp(one, "/") == 0 ? "" : one,
                            rest);
}

/* *ret_name: the path that leads there now.  -ENOENT: nothing does any more. */
static int find_place(struct look *look, int fd, struct place *ret, const char **ret_name)
{
    char link[32], name[PATH_MAX];
    unsigned id;
    ssize_t n = readlink(prl_sys_fd_path(fd, link), name, sizeof name - 1);
    if (n < 0 || !prl_mountinfo_id(fd, &id))
        return -EIO;
    name[n] = '\0';
    for (size_t i = 0; i < look->len; i++) {
        const struct prl_mount_row *row = &look->rows[i];
        const char *rest = row->id == id ? prl_mountinfo_below(name, row->point) : NULL;
        if (!rest)
            continue;
        *ret = (struct place){row->major, row->minor, join(look, row->root, rest)};
        *ret_name = prl_arena_strndup(look->arena, name, (size_t)n);
        return ret->path && *ret_name ? 0 : -ENOMEM;
    }
    return -ENOENT;
}

static int find_unseen(struct look *look, struct prl_error *reterr)
{
    for (const char *const *dir = look->s->spec->unseen; *dir; dir++) {
        const char *name;
        _cleanup_close_ int fd = open(*dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue;
        int r = fd < 0 ? -errno : look->unseen_len == UNSEEN_MAX ? -E2BIG : 0;
        if (r == 0)
            r = find_place(look, fd, &look->unseen[look->unseen_len], &name);
        if (r < 0)
            return prl_fail_with(reterr, PRL_STAGE_MOUNTS, -r, "open", *dir);
        look->unseen_len++;
    }
    return 0;
}

static int add_mask(struct look *look, const char *path, struct prl_error *reterr)
{
    if (!path || look->masks_len + 1 >= look->masks_room)
        return path ? prl_fail_with(reterr, PRL_STAGE_MOUNTS, E2BIG, "mask", path)
                    : out_of_memory(reterr);
    for (size_t i = 0; i < look->masks_len; i++)
        if (strcmp(look->masks[i], path) == 0)
            return 0;
    look->masks[look->masks_len++] = path;
    return 0;
}

/* What `shown` lets be seen at `target`.  1: it lies in the engine's own. */
static int guard(struct look *look, const struct place *shown, const char *target,
                 struct prl_error *reterr)
{
    int inside = 0, r = 0;
    for (size_t i = 0; r == 0 && i < look->unseen_len; i++) {
        const struct place *unseen = &look->unseen[i];
        if (unseen->major != shown->major || unseen->minor != shown->minor)
            continue;
        const char *rest = prl_mountinfo_below(unseen->path, shown->path);
        inside |= prl_mountinfo_below(shown->path, unseen->path) != NULL;
        if (rest)
            r = add_mask(look, join(look, target, rest), reterr);
    }
    return r < 0 ? r : inside;
}

/* What is mounted below the source comes along. */
static int guard_below(struct look *look, const char *name, const char *target,
                       struct prl_error *reterr)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < look->len; i++) {
        const struct prl_mount_row *row = &look->rows[i];
        const struct place shown = {row->major, row->minor, row->root};
        const char *rest = prl_mountinfo_below(row->point, name);
        if (!rest || !*rest)
            continue;
        const char *at = join(look, target, rest);
        r = at ? guard(look, &shown, at, reterr) : out_of_memory(reterr);
        if (r == 1) /* of the engine's inside: nothing of it */
            r = add_mask(look, at, reterr);
    }
    return r;
}

/* source is shown at target.  *ret is what was found there. */
static int look_at(struct look *look, const char *source, const char *target, bool recursive,
                   struct prl_seen *ret)
{
    struct prl_error *reterr = look->reterr;
    struct stat st;
    struct place place;
    const char *name;
    _cleanup_close_ int fd = open(source, O_PATH | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : find_place(look, fd, &place, &name);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_MOUNTS, -r, "open", source);
    r = guard(look, &place, target, reterr);
    if (r == 1)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EPERM, "--volume",
                         "%.120s belongs to pyrootless itself and cannot be shown to a "
                         "container: copy what you need elsewhere",
                         source);
    if (r == 0 && recursive)
        r = guard_below(look, name, target, reterr);
    *ret = (struct prl_seen){.name = name, .dev = st.st_dev, .ino = st.st_ino};
    return r < 0 ? r : 0;
}

static bool is_lent(const struct prl_spec *spec, const char *target)
{
    for (const char *const *one = spec->lent; one && *one; one++)
        if (strcmp(*one, target) == 0)
            return true;
    return false;
}

/* The root is lent as "/": a directory in place, or the one layer of an overlay. */
static int look_at_root(struct look *look)
{
    const struct prl_rootfs *root = &look->s->spec->rootfs;
    bool in_place = root->upper == PRL_UPPER_NONE;
    struct prl_seen layer;
    if (!is_lent(look->s->spec, "/"))
        return 0;
    return in_place ? look_at(look, root->path, "/", true, &look->s->root_seen)
                    : look_at(look, root->lowers[0], "/", false, &layer);
}

static size_t count_masks(const struct prl_spec *spec)
{
    size_t n = 0;
    while (spec->masked_paths && spec->masked_paths[n])
        n++;
    return n;
}

/* The masks of config.json, and room for all that a mount could show. */
static int begin_masks(struct look *look, struct prl_error *reterr)
{
    const struct prl_spec *spec = look->s->spec;
    size_t had = count_masks(spec);
    look->masks_room = had + 2 + 2 * UNSEEN_MAX * (look->len + spec->mounts_len + 1);
    look->masks = prl_arena_alloc(look->arena, look->masks_room * sizeof *look->masks);
    if (!look->masks)
        return out_of_memory(reterr);
    if (had)
        memcpy(look->masks, spec->masked_paths, had * sizeof *look->masks);
    look->masks_len = had;
    return 0;
}

int prl_prepare_sources(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr)
{
    const struct prl_spec *spec = s->spec;
    struct look look = {.s = s, .arena = arena, .reterr = reterr};
    s->source_fds = prl_arena_alloc(arena, (spec->mounts_len + 1) * sizeof *s->source_fds);
    if (!s->source_fds)
        return out_of_memory(reterr);
    if (!spec->lent || !spec->unseen)
        return 0;
    s->seen = prl_arena_alloc(arena, (spec->mounts_len + 1) * sizeof *s->seen);
    if (!s->seen)
        return out_of_memory(reterr);
    memset(s->seen, 0, (spec->mounts_len + 1) * sizeof *s->seen);
    _cleanup_free_ char *table = NULL;
    int r = read_table(&look, &table, reterr);
    if (r == 0)
        r = find_unseen(&look, reterr);
    if (r == 0)
        r = begin_masks(&look, reterr);
    if (r == 0)
        r = look_at_root(&look);
    for (size_t i = 0; r == 0 && i < spec->mounts_len; i++) {
        const struct prl_mount *m = &spec->mounts[i];
        if (m->bind && is_lent(spec, m->destination))
            r = look_at(&look, m->source, m->destination, m->recursive, &s->seen[i]);
    }
    free(look.rows);
    if (r < 0 || look.masks_len == count_masks(spec))
        return r;
    /* The child's spec has more masks than the caller's. */
    struct prl_spec *own = prl_arena_alloc(arena, sizeof *own);
    if (!own)
        return out_of_memory(reterr);
    *own = *spec;
    look.masks[look.masks_len] = NULL;
    own->masked_paths = look.masks;
    s->spec = own;
    return 0;
}
