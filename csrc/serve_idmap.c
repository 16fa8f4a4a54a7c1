/* serve_idmap.c: maps of many ids, written by the distribution's setuid helpers.
 * In: linux.uidMappings and gidMappings, the child.  Out: both maps written.  Never: a guess at
 * which ids the user may have: newuidmap(1) decides by /etc/subuid.
 *
 * Source: newuidmap(1), newgidmap(1), user_namespaces(7). */
#include "serve.h"

#include "base/arena.h"
#include "base/helper.h"

#include <errno.h>
#include <stdio.h>

struct side {
    const char *program;
    const struct prl_idmap *rows;
    size_t len;
};

/* PROGRAM PID (INSIDE OUTSIDE COUNT)…, NULL; NULL: no memory. */
static const char **arguments(const struct side *side, const char *path, pid_t pid,
                              struct prl_arena *arena)
{
    const char **argv = prl_arena_alloc(arena, (side->len * 3 + 3) * sizeof *argv);
    size_t n = 0;
    if (!argv)
        return NULL;
    argv[n++] = path;
    argv[n++] = prl_arena_printf(arena, "%d", (int)pid);
    for (size_t i = 0; i < side->len; i++) {
        argv[n++] = prl_arena_printf(arena, "%u", side->rows[i].container_id);
        argv[n++] = prl_arena_printf(arena, "%u", side->rows[i].host_id);
        argv[n++] = prl_arena_printf(arena, "%u", side->rows[i].size);
    }
    for (size_t i = 0; i < n; i++)
        if (!argv[i])
            return NULL;
    argv[n] = NULL;
    return argv;
}

static int write_map(const struct side *side, pid_t pid, struct prl_arena *arena,
                     struct prl_error *reterr)
{
    char path[64];
    struct prl_helper_result result;
    if (!prl_helper_find(side->program, path))
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, ENOENT, "execve", side->program);
    const char **argv = arguments(side, path, pid, arena);
    int r = argv ? prl_helper_run(argv, &result) : -ENOMEM;
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, -r, "execve", path);
    if (result.exit_code != 0)
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, ERANGE, side->program, result.complaint);
    return 0;
}

int prl_serve_idmap(const struct prl_spec *spec, pid_t pid, struct prl_error *reterr)
{
    const struct side uids = {"newuidmap", spec->uid_maps, spec->uid_maps_len};
    const struct side gids = {"newgidmap", spec->gid_maps, spec->gid_maps_len};
    struct prl_arena *arena = prl_arena_new();
    if (!arena)
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, ENOMEM, "malloc", "id maps");
    int r = write_map(&uids, pid, arena, reterr);
    if (r == 0)
        r = write_map(&gids, pid, arena, reterr);
    prl_arena_free(arena);
    return r;
}
