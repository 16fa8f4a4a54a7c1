/* idmap.c: the id maps of the child, which may not write them itself.
 * In: linux.uidMappings and gidMappings, the child.  Out: both maps written.  Never: other maps
 * than config.json's. */
#include "launch/serve/parent.h"

#include "userns/exports.h"

int prl_serve_idmap(const struct prl_spec *spec, pid_t pid, struct prl_error *reterr)
{
    const struct prl_mapping maps = {.uids = spec->uid_maps,
                                     .gids = spec->gid_maps,
                                     .uids_len = spec->uid_maps_len,
                                     .gids_len = spec->gid_maps_len};
    return prl_mapping_write(pid, &maps, reterr);
}
