/* parts.h: the pieces prl_spec_parse is made of, one a section of config.json.
 * In: sections that have passed the field table (NULL: absent).  Out: filled parts of prl_spec.
 * Never: types and ranges again; the pieces look at meaning only. */
#pragma once

#include "spec/json.h"

/* spec/sections/path.c: `path` must be absolute; *ret has no "//", "/./" nor trailing "/". ".."
 * is refused: what it means depends on links nobody has looked at yet. */
int prl_spec_normalise(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                       const char *path, const char **ret);
/* A path of the host: absolute, kept as it is. */
int prl_spec_need_absolute(const struct prl_spec_reader *reader,
                           const struct prl_spec_place *place, const char *path);

int prl_spec_read_process(const struct prl_spec_reader *reader, yyjson_val *process,
                          struct prl_process *ret);
int prl_spec_read_mounts(const struct prl_spec_reader *reader, yyjson_val *mounts,
                         struct prl_spec *ret);
int prl_spec_read_linux(const struct prl_spec_reader *reader, yyjson_val *section,
                        struct prl_spec *ret);
/* spec/sections/ids.c: both maps, and that the process's ids are in them. */
int prl_spec_read_idmaps(const struct prl_spec_reader *reader, yyjson_val *section,
                         struct prl_spec *ret);
/* complete.c: fields that follow from others, and what belongs together. */
int prl_spec_complete(const struct prl_spec_reader *reader, struct prl_spec *spec);
int prl_spec_check_ids(const struct prl_spec_reader *reader, const struct prl_spec *spec);
/* lowers.c: see rootfs.lowers_begin. */
size_t prl_spec_lowers_begin(const struct prl_rootfs *root);
/* spec/sections/network.c: what a text of io.pyrootless.network… should look like; NULL: it
 * does. */
const char *prl_spec_network_form(const char *name, const char *text);
int prl_spec_read_ports(const struct prl_spec_reader *reader, const struct prl_note *note,
                        struct prl_network *ret);
char *prl_spec_show_ports(struct prl_arena *arena, const struct prl_network *network);
int prl_spec_read_cgroups(const struct prl_spec_reader *reader, const struct prl_note *note,
                          struct prl_resources *ret);
char *prl_spec_show_cgroups(struct prl_arena *arena, const struct prl_resources *resources);
/* spec/sections/volumes.c: io.pyrootless.volumes and what its "new" ones are to have. */
int prl_spec_read_volumes(const struct prl_spec_reader *reader, const struct prl_note *note,
                          struct prl_spec *ret);
char *prl_spec_show_volumes(struct prl_arena *arena, const struct prl_spec *spec);
const char *prl_spec_volumes_new_form(const char *text); /* see prl_spec_network_form */
int prl_spec_check_resources(const struct prl_spec_reader *reader,
                             const struct prl_resources *resources);
int prl_spec_check_mounts(const struct prl_spec_reader *reader, const struct prl_spec *spec);
int prl_spec_check_linux(const struct prl_spec_reader *reader, const struct prl_spec *spec);
/* Numbers → words of config.json. */
const char *prl_spec_rlimit_name(int resource);
int prl_spec_rlimit(const char *name);                            /* -1: no limit */
const char *prl_spec_namespace(size_t index, uint64_t *ret_flag); /* NULL: no more */
const char *prl_spec_propagation_word(unsigned flags);            /* NULL: none */
/* Word `index` of a mount: 1, or 0: it is not said, or -1: there are no more. */
int prl_spec_mount_word(const struct prl_mount *mount, unsigned index, char ret[16]);
extern const char prl_spec_cap_sets[PRL_CAP_SETS][12];
extern const char prl_spec_throttles[PRL_THROTTLES][24];
enum { PRL_SPEC_PERIOD_US = 100000 };
/* spec/sections/resources.c: /linux/resources. */
int prl_spec_read_resources(const struct prl_spec_reader *reader, yyjson_val *root,
                            struct prl_spec *ret);
/* spec/sections/options.c: one option of a mount.  0: taken, 1: not one of ours (file-system
 * data). */
int prl_spec_mount_option(const struct prl_spec_reader *reader,
                          const struct prl_spec_place *place, const char *option,
                          struct prl_mount *mount);
/* shared, rslave, … → MS_*; 0: no such word. */
unsigned prl_spec_propagation(const char *word);
