/* mapping.c: writing the maps of a new user namespace; see mapping.h.
 * In, out: as there.  Never: a map in pieces: the kernel takes one write. */
#include "userns/mapping.h"

#include "base/arena.h"
#include "base/io.h"
#include "base/own.h"
#include "base/process/helper.h"
#include "base/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { CAP_SETGID_BIT = 6, CAP_SETUID_BIT = 7, MAP_BYTES = 4096 }; /* a page, less is taken */

struct side {
    const char *program, *file; /* newuidmap, uid_map */
    const struct prl_idmap *rows;
    size_t len;
};

bool prl_mapping_is_own(const struct prl_idmap *rows, size_t len, uint32_t own)
{
    return len == 1 && rows[0].size == 1 && rows[0].host_id == own;
}

bool prl_mapping_inside(const struct prl_idmap *rows, size_t len, uint32_t host, uint32_t *ret)
{
    for (size_t i = 0; i < len; i++)
        if (host >= rows[i].host_id && host - rows[i].host_id < rows[i].size) {
            *ret = rows[i].container_id + (host - rows[i].host_id);
            return true;
        }
    return false;
}

bool prl_mapping_outside(const struct prl_idmap *rows, size_t len, uint32_t id, uint32_t *ret)
{
    for (size_t i = 0; i < len; i++)
        if (id >= rows[i].container_id && id - rows[i].container_id < rows[i].size) {
            *ret = rows[i].host_id + (id - rows[i].container_id);
            return true;
        }
    return false;
}

/* The kernel takes any map of our namespace's ids from us, without a helper. */
static bool is_privileged(void)
{
    const uint64_t needed = 1ULL << CAP_SETUID_BIT | 1ULL << CAP_SETGID_BIT;
    uint64_t effective, permitted;
    return prl_sys_capget(&effective, &permitted) == 0 && (effective & needed) == needed;
}

bool prl_mapping_is_possible(void)
{
    char path[64];
    return is_privileged() ||
           (prl_helper_find("newuidmap", path) && prl_helper_find("newgidmap", path));
}

static int write_file(pid_t pid, const char *file, const char *text, struct prl_error *reterr)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int r = prl_io_write_file(AT_FDCWD, path, text, strlen(text), 0, 0);
    return r < 0 ? prl_fail_with(reterr, PRL_STAGE_IDMAP, -r, "write", path) : 0;
}

static int write_directly(const struct side *side, pid_t pid, struct prl_error *reterr)
{
    char text[MAP_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < side->len && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%u %u %u\n",
                                side->rows[i].container_id, side->rows[i].host_id,
                                side->rows[i].size);
    if (len >= sizeof text)
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, EINVAL, "write", side->file);
    return write_file(pid, side->file, text, reterr);
}

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

static int run_helper(const struct side *side, pid_t pid, struct prl_arena *arena,
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
    if (result.exit_code == 0)
        return 0;
    return prl_failf(reterr, PRL_STAGE_IDMAP, ERANGE, side->program, "%s says: %s",
                     side->program, result.complaint[0] ? result.complaint : "nothing");
}

int prl_mapping_write(pid_t pid, const struct prl_mapping *maps, struct prl_error *reterr)
{
    const struct side sides[2] = {{"newuidmap", "uid_map", maps->uids, maps->uids_len},
                                  {"newgidmap", "gid_map", maps->gids, maps->gids_len}};
    bool own = prl_mapping_is_own(maps->uids, maps->uids_len, geteuid()) &&
               prl_mapping_is_own(maps->gids, maps->gids_len, getegid());
    if (!own && !is_privileged()) {
        struct prl_arena *arena = prl_arena_new();
        if (!arena)
            return prl_fail_with(reterr, PRL_STAGE_IDMAP, ENOMEM, "malloc", "id maps");
        int r = run_helper(&sides[0], pid, arena, reterr);
        if (r == 0)
            r = run_helper(&sides[1], pid, arena, reterr);
        prl_arena_free(arena);
        return r;
    }
    /* An unprivileged process may map its group only after setgroups(2) was given up: else it
     * could drop a group that was used to refuse it something.  user_namespaces(7), "gid_map".
     */
    int r = own ? write_file(pid, "setgroups", "deny", reterr) : 0;
    if (r == 0)
        r = write_directly(&sides[0], pid, reterr);
    return r < 0 ? r : write_directly(&sides[1], pid, reterr);
}
