/* parts.h: what the files of the merge share (merge.c and config_*.c, nobody else).
 * In: one merge under way.  Out: its spec, changed.  Never: a caller outside the merge.
 *
 * A function of a row has the form of prl_config_apply: it takes one value of its option.
 * Where a function returns nothing, what failed is remembered in `failed` and told once, at the
 * end. */
#pragma once

#include "config/merge.h"
#include "config/options/exports.h"
#include "userns/exports.h"

#include "spec/exports.h"

enum prl_userns { /* see ids.c */
                  PRL_USERNS_SINGLE,
                  PRL_USERNS_RANGE,
                  PRL_USERNS_KEEP_ID,
                  PRL_USERNS_NOMAP,
};

struct prl_merge {
    struct prl_spec *spec;
    struct prl_spec_reader reader; /* the spec's arena, and the error */
    struct prl_mount *user_mounts; /* what the user asked for, in the order asked */
    size_t user_mounts_len;
    const struct prl_options *options;
    const char *option; /* the name of the one that is applied, for functions of several */
    const struct prl_config_facts *facts;
    struct prl_error *reterr;
    uint64_t cap_add, cap_drop;
    enum prl_userns userns;
    struct prl_ids uids, gids; /* what may be mapped beside the caller's own */
    bool overflow;             /* owners beyond the map may be nobody's */
    int failed;                /* 0, or -errno of the first failure that was not returned */
    bool home_from_file;       /* HOME stands in an --env-file */
    char home[512];            /* of -u; "": none asked for */
};

typedef int (*prl_config_apply)(struct prl_merge *m, const char *text);

/* A usage error of this merge; gives -errnum. */
#define prl_config_bad(m, errnum, option, ...)                                                 \
    prl_failf((m)->reterr, PRL_STAGE_OPTIONS, errnum, option, __VA_ARGS__)
int prl_config_memory(struct prl_merge *m); /* -ENOMEM */

/* merge.c: does an option have a row in the merge?  For the test of the table. */
bool prl_config_applies(const char *name);

/* merge.c: one merge, by the rows of `apply`; the values of one option given to its row. */
int prl_config_run(struct prl_spec *spec, const struct prl_options *options,
                   const struct prl_config_facts *facts, int (*apply)(struct prl_merge *m),
                   struct prl_error *reterr);
int prl_config_apply_option(struct prl_merge *m, const char *name, prl_config_apply apply);

int prl_config_restart(struct prl_merge *m, const char *text);

/* words.c: words for changing the spec.  Texts are copied. */
const char *prl_config_copy(struct prl_merge *m, const char *text); /* never NULL */
void prl_config_append(struct prl_merge *m, const char *const **list, const char *text);
/* The texts of which the function says so are taken out. */
void prl_config_drop(const char *const *list,
                     bool (*is_dropped)(const char *text, const void *how), const void *how);
/* Annotations "io.pyrootless.NAME". */
void prl_config_note(struct prl_merge *m, const char *name, const char *text);
void prl_config_note_number(struct prl_merge *m, const char *name, uint64_t number);
const char *prl_config_note_get(struct prl_merge *m, const char *name);
void prl_config_note_drop(struct prl_merge *m, const char *name);
/* The mount of this type, or on this destination; NULL: none.  type or destination NULL: any.
 */
struct prl_mount *prl_config_find_mount(struct prl_merge *m, const char *type,
                                        const char *destination);

/* config/rootfs/root.c: root file system, upper layer, the engine's own directories. */
bool prl_config_in_place(const struct prl_options *options);
int prl_config_rootfs(struct prl_merge *m, const char *text);
int prl_config_upper(struct prl_merge *m);
/* Of --storage-size, or of --storage-opt size=; NULL: none was asked for. */
const char *prl_config_storage_size(const struct prl_options *options);
const char *const *prl_config_root_dirs(struct prl_merge *m); /* NULL: no memory */
/* What the user typed → real host path (malloc'd); errors name the option. */
int prl_config_host_path(struct prl_merge *m, const char *option, const char *typed,
                         char **ret);
/* Refuse a host path inside the engine's directories; mask them where they show below target.
 */
int prl_config_guard(struct prl_merge *m, const char *option, const char *path,
                     const char *target);
int prl_config_guard_template(struct prl_merge *m);

/* config/rootfs/driver.c: who puts the layers together. */
int prl_config_storage_driver(struct prl_merge *m);

/* process.c: the program. */
int prl_config_env(struct prl_merge *m, const char *text);
int prl_config_entrypoint(struct prl_merge *m, const char *text);
int prl_config_user(struct prl_merge *m, const char *text);
void prl_config_set_user(struct prl_merge *m, uint32_t uid, uint32_t gid);
int prl_config_workdir(struct prl_merge *m, const char *text);
int prl_config_ulimit(struct prl_merge *m, const char *text);
int prl_config_args(struct prl_merge *m);
int prl_config_terminal(struct prl_merge *m, const char *text);
int prl_config_image_user(struct prl_merge *m);
int prl_config_primary_group(struct prl_merge *m); /* after the user and all groups */
int prl_config_home(struct prl_merge *m);
void prl_config_hostname_variable(struct prl_merge *m); /* after the host name */

/* ids.c: the map of ids.  Which one is known from the first step on. */
int prl_config_userns(struct prl_merge *m);
int prl_config_added_groups(struct prl_merge *m); /* those of --group-add, once more */
int prl_config_group_add(struct prl_merge *m, const char *text);
int prl_config_add_gid(struct prl_merge *m, uint32_t gid); /* to additionalGids, once */
int prl_config_keep_user(struct prl_merge *m, const char *text);
int prl_config_id_maps(struct prl_merge *m); /* after user and upper layer are known */

/* env_file.c: --env-file, --label-file. */
int prl_config_env_file(struct prl_merge *m, const char *text);
int prl_config_label_file(struct prl_merge *m, const char *text);

/* watching.c: the log and the health. */
int prl_config_no_healthcheck(struct prl_merge *m, const char *text);
int prl_config_health_cmd(struct prl_merge *m, const char *text);
int prl_config_health_interval(struct prl_merge *m, const char *text);
int prl_config_health_timeout(struct prl_merge *m, const char *text);
int prl_config_health_start_period(struct prl_merge *m, const char *text);
int prl_config_health_start_interval(struct prl_merge *m, const char *text);
int prl_config_health_retries(struct prl_merge *m, const char *text);
int prl_config_log_driver(struct prl_merge *m, const char *text);
int prl_config_log_opt(struct prl_merge *m, const char *text);

/* identity.c: names, labels, annotations, network. */
void prl_config_identity(struct prl_merge *m);
int prl_config_name(struct prl_merge *m, const char *text);
int prl_config_label(struct prl_merge *m, const char *text);
int prl_config_annotation(struct prl_merge *m, const char *text);
int prl_config_sysctl(struct prl_merge *m, const char *text);
void prl_config_hostname(struct prl_merge *m);
void prl_config_bind_files(struct prl_merge *m);

/* namespaces.c: which namespaces are the container's own. */
int prl_config_ipc(struct prl_merge *m, const char *text); /* after --shm-size */
int prl_config_uts(struct prl_merge *m, const char *text);
int prl_config_cgroupns(struct prl_merge *m, const char *text);
int prl_config_domainname(struct prl_merge *m, const char *text);
bool prl_config_host_uts(const struct prl_options *options);

/* config/network/helper.c: the network, its helper, its ports. */
struct prl_network_choice {
    enum prl_value_network kind; /* never auto */
    uint32_t mtu;                /* 0: the helper's own */
    char program[256];           /* of the helper; "": there is none */
    char gateway[46];            /* what leads to the host; "": nothing does */
};
int prl_network_choose(const struct prl_options *options, const char *data_dir,
                       struct prl_network_choice *ret, struct prl_error *reterr);
int prl_config_network(struct prl_merge *m);
int prl_config_expose(struct prl_merge *m, const char *text);

/* The address from which this host would speak to the world; "": it has none. */
void prl_network_own_address(int family, char ret[46]);

/* config/network/allow.c: lines for /etc/hosts, of the names in facts->allow, behind `text`. */
void prl_config_allow_hosts(const char *allow, char *text, size_t room);

/* config/network/resolv.c: /etc/resolv.conf.  Does the host ask a name server on its own
 * loopback? */
bool prl_resolv_needs_forward(const struct prl_options *options,
                              const struct prl_network_choice *choice);
bool prl_resolv_wanted(const struct prl_options *options);
int prl_resolv_make(const struct prl_options *options, const struct prl_network_choice *choice,
                    char **ret, struct prl_error *reterr);

/* security.c: capabilities, seccomp, Landlock, masks. */
int prl_config_privileged(struct prl_merge *m, const char *text);
int prl_config_cap_add(struct prl_merge *m, const char *text);
int prl_config_cap_drop(struct prl_merge *m, const char *text);
int prl_config_security_opt(struct prl_merge *m, const char *text);
int prl_config_seccomp_program(struct prl_merge *m, const char *text);
int prl_config_capabilities(struct prl_merge *m);

/* fake_root.c */
int prl_config_fake_root(struct prl_merge *m); /* after the kind of map is known */
/* With one id: the program may have ids that there are none of, by claim. */
bool prl_config_may_claim(struct prl_merge *m);
/* A claimed user other than root has no capabilities. */
void prl_config_drop_caps_of_user(struct prl_merge *m);

/* config/rootfs/mounts.c: the list of mounts, tmpfs, devices. */
struct prl_config_mount {
    const char *option, *type, *source, *target;
    const char *words[12]; /* its options, up to a NULL */
    const char *data;      /* of the file system, with commas; NULL: none */
};
int prl_config_add_mount(struct prl_merge *m, const struct prl_config_mount *mount);
/* One of another container's, whose texts are copied. */
int prl_config_take_mount(struct prl_merge *m, const struct prl_mount *from);
/* The same without the checks, into the template's list; an older mount on target goes. */
void prl_config_place_mount(struct prl_merge *m, const struct prl_config_mount *mount);
/* The mount on target that the user asked for; NULL: none. */
const struct prl_mount *prl_config_taken(const struct prl_merge *m, const char *target);
bool prl_config_is_taken(const struct prl_merge *m, const char *target);
/* Another mount at the place of this one; target NULL: on the same destination. */
void prl_config_replace_mount(struct prl_merge *m, const struct prl_config_mount *from,
                              struct prl_mount *mount);
void prl_config_forget_mount(struct prl_merge *m, struct prl_mount *mount);
/* One more word of a file system's, after a comma. */
void prl_config_add_data(char *data, size_t size, const char *word, size_t len);
int prl_config_add_tmpfs(struct prl_merge *m, const char *option, const char *typed_target,
                         const char *options);
int prl_config_tmpfs(struct prl_merge *m, const char *text);
int prl_config_device(struct prl_merge *m, const char *text);
int prl_config_shm_size(struct prl_merge *m, const char *text);
int prl_config_read_only(struct prl_merge *m, const char *text);
void prl_config_finish_mounts(struct prl_merge *m);

/* config/rootfs/volume.c: -v and --mount. */
int prl_config_volume(struct prl_merge *m, const char *text);
int prl_config_mount_option(struct prl_merge *m, const char *text);

/* config/rootfs/named.c: volumes of the store. */
struct prl_config_named {
    const char *option, *name, *target; /* name NULL: anonymous; target as it was typed */
    const char *const *words;           /* of the mount, up to a NULL */
    bool nocopy;
};
int prl_config_add_named(struct prl_merge *m, const struct prl_config_named *named);
/* A line of io.pyrootless.volumes.new: kind is "label" or "option". */
int prl_config_describe_named(struct prl_merge *m, const char *name, const char *kind,
                              const char *pair);
int prl_config_image_volumes(struct prl_merge *m); /* where nothing else is mounted */
int prl_config_volumes_from(struct prl_merge *m);  /* likewise */

/* resources.c: limits.  What enforces them is noted later (prl_config_enforcement). */
int prl_config_limits(struct prl_merge *m, const char *text);
int prl_config_resource_memory(struct prl_merge *m, const char *text);
int prl_config_resource_reservation(struct prl_merge *m, const char *text);
int prl_config_resource_swap(struct prl_merge *m, const char *text);
int prl_config_resource_cpus(struct prl_merge *m, const char *text);
int prl_config_resource_number(struct prl_merge *m, const char *text);
int prl_config_resource_cpuset(struct prl_merge *m, const char *text);
int prl_config_resource_cpu_time(struct prl_merge *m, const char *text);
int prl_config_throttle(struct prl_merge *m, const char *text);
int prl_config_io_max(struct prl_merge *m, const char *text);
int prl_config_storage(struct prl_merge *m); /* after the upper layer is known */
/* process.c: one row of /process/rlimits. */
int prl_config_rlimit(struct prl_merge *m, const char *type, uint64_t soft, uint64_t hard);
