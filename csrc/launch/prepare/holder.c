/* holder.c: is there a holder whose namespace has the ids of this launch?
 * In: the maps of config.json, the holder's directory.  Out: its descriptor, and the maps as
 * they are written from inside its namespace.  Never: a launch that fails because there is
 * no holder: newuidmap(1) does the same, only slower. */
#include "launch/prepare/setup.h"

#include "base/arena.h"
#include "base/own.h"
#include "userns/holder/exports.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* -errno: a holder does not have these ids.  A text is NULL where memory ran out. */
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
    s->joined = false;
    s->uid_map = s->gid_map = NULL;
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
    if (r == 0)
        s->holder_fd = prl_holder_find(s->spec->holder, key.name);
    if (r < 0 || s->holder_fd < 0)
        prl_setup_alone(s);
    return 0;
}
