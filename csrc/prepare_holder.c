/* prepare_holder.c: is there a holder whose namespace has the ids of this launch?
 * In: the maps of config.json, the holder's directory.  Out: its descriptor, and the maps as
 * they are written from inside its namespace.  Never: a failure of the launch for the want of
 * a holder: newuidmap(1) does the same, only slower. */
#include "prepare.h"

#include "base/arena.h"
#include "base/own.h"
#include "holder/holder.h"

#include <unistd.h>

static int map_texts(struct prl_setup *s, const struct prl_holder_key *key)
{
    const struct prl_spec *spec = s->spec;
    int r = prl_holder_map_text(spec->uid_maps, spec->uid_maps_len, geteuid(), &key->uids,
                                s->uid_map);
    return r < 0 ? r
                 : prl_holder_map_text(spec->gid_maps, spec->gid_maps_len, getegid(),
                                       &key->gids, s->gid_map);
}

void prl_setup_alone(struct prl_setup *s)
{
    prl_close_p(&s->holder_fd);
    s->joined = false;
    s->uid_map = s->gid_map = NULL;
}

int prl_prepare_holder(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr)
{
    struct prl_holder_key key;
    if (!s->spec->holder || prl_holder_key_of(s->spec, &key) < 0)
        return 0;
    s->holder_fd = prl_holder_find(s->spec->holder, key.name);
    if (s->holder_fd < 0) {
        s->holder_fd = -1;
        return 0;
    }
    s->uid_map = prl_arena_alloc(arena, PRL_HOLDER_MAP_BYTES);
    s->gid_map = prl_arena_alloc(arena, PRL_HOLDER_MAP_BYTES);
    if (!s->uid_map || !s->gid_map)
        return prl_fail_with(reterr, PRL_STAGE_CLONE, ENOMEM, "malloc", "launch");
    if (map_texts(s, &key) < 0)
        prl_setup_alone(s);
    return 0;
}
