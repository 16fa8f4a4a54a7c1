/* prepare_holder.c: is there a holder whose namespace has the ids of this launch?
 * In: the maps of config.json, the holder's directory.  Out: its descriptor, and the maps as
 * they are written from inside its namespace.  Never: a failure of the launch for the want of
 * a holder: newuidmap(1) does the same, only slower. */
#include "prepare.h"

#include "base/arena.h"
#include "base/own.h"
#include "holder/holder.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* -errno: a holder has them not.  A text is NULL where memory ran out. */
static int map_texts(struct prl_setup *s, const struct prl_holder_key *key,
                     struct prl_arena *arena)
{
    const struct prl_spec *spec = s->spec;
    char text[PRL_HOLDER_MAP_BYTES];
    int r =
        prl_holder_map_text(spec->uid_maps, spec->uid_maps_len, geteuid(), &key->uids, text);
    if (r < 0)
        return r;
    s->uid_map = prl_arena_strndup(arena, text, strlen(text));
    r = prl_holder_map_text(spec->gid_maps, spec->gid_maps_len, getegid(), &key->gids, text);
    if (r == 0)
        s->gid_map = prl_arena_strndup(arena, text, strlen(text));
    return r;
}

void prl_setup_alone(struct prl_setup *s)
{
    prl_close_p(&s->holder_fd);
    prl_close_p(&s->claim_fd);
    s->joined = s->ready = false;
    s->uid_map = s->gid_map = NULL;
}

/* A limit of processes counts those of the user namespace, and there is one in a ready one. */
static bool counts_processes(const struct prl_spec *spec)
{
    for (size_t i = 0; i < spec->process.rlimits_len; i++)
        if (spec->process.rlimits[i].resource == RLIMIT_NPROC)
            return true;
    return spec->resources.asked != 0;
}

static bool is_whole(const char *map, const struct prl_ids *ids)
{
    char whole[PRL_HOLDER_MAP_BYTES];
    return prl_holder_whole_text(ids, whole) == 0 && strcmp(map, whole) == 0;
}

static int claim(struct prl_setup *s, const struct prl_holder_key *key)
{
    const struct prl_spec *spec = s->spec;
    const uint64_t pair = CLONE_NEWUSER | CLONE_NEWNET;
    if ((spec->namespaces & pair) != pair || counts_processes(spec) ||
        !is_whole(s->uid_map, &key->uids) || !is_whole(s->gid_map, &key->gids))
        return -ENOENT;
    return prl_holder_claim(spec->holder, key->name, &s->claim_fd);
}

int prl_prepare_holder(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr)
{
    struct prl_holder_key key;
    if (!s->spec->holder || access(s->spec->holder, X_OK) < 0 ||
        prl_holder_key_of(s->spec, &key) < 0)
        return 0;
    int r = map_texts(s, &key, arena);
    if (r == 0 && (!s->uid_map || !s->gid_map))
        return prl_fail_with(reterr, PRL_STAGE_CLONE, ENOMEM, "malloc", "launch");
    if (r == 0) {
        s->holder_fd = claim(s, &key);
        s->ready = s->holder_fd >= 0;
        if (s->holder_fd < 0)
            s->holder_fd = prl_holder_find(s->spec->holder, key.name);
    }
    if (r < 0 || s->holder_fd < 0)
        prl_setup_alone(s);
    return 0;
}
