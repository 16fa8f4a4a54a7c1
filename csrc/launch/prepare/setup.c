/* setup.c: everything the child will need, made before it exists.
 * In: a spec.  Out: strings, filter bytes, candidate paths in memory the child shares.
 * Never: a kernel object beside the init's memory file; after this, nothing allocates until
 * exec. */
#include "launch/prepare/setup.h"

#include "base/arena.h"
#include "base/io.h"
#include "base/own.h"
#include "fakeroot/exports.h"
#include "launch/steps/exports.h"
#include "spec/exports.h"
#include "userns/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILTER_MAX_BYTES = 4096 * 8, OVERLAY_DATA_BYTES = 4096 };

static int out_of_memory(struct prl_error *reterr)
{
    return prl_fail_with(reterr, PRL_STAGE_CLONE, ENOMEM, "malloc", "launch");
}

/* What the set-up makes belongs to root, where root is not the caller. */
static void prepare_settling(struct prl_setup *s)
{
    const struct prl_spec *spec = s->spec;
    uint32_t uid = 0, gid = 0, root;
    bool known = prl_mapping_inside(spec->uid_maps, spec->uid_maps_len, geteuid(), &uid) &&
                 prl_mapping_inside(spec->gid_maps, spec->gid_maps_len, getegid(), &gid);
    if (!prl_mapping_outside(spec->uid_maps, spec->uid_maps_len, 0, &root) ||
        !prl_mapping_outside(spec->gid_maps, spec->gid_maps_len, 0, &root))
        return;
    s->early = !known;
    s->late = known && (uid != 0 || gid != 0);
}

/* The child will wait for an answer of its parent, so the parent must not sleep. */
static void ask_parent(struct prl_setup *s, bool asks)
{
    s->asks |= asks;
    s->served |= asks;
}

/* The kernel lets an unprivileged process map its own id and no other; more the parent writes
 * (launch/report.c). */
static int prepare_maps(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr)
{
    const struct prl_spec *spec = s->spec;
    uint32_t uid = geteuid(), gid = getegid();
    ask_parent(s,
               spec->rootfs.fuse_program != NULL || spec->network.helper != PRL_NETWORK_ALONE);
    if (!(spec->namespaces & CLONE_NEWUSER))
        return 0;
    bool own = prl_mapping_is_own(spec->uid_maps, spec->uid_maps_len, uid) &&
               prl_mapping_is_own(spec->gid_maps, spec->gid_maps_len, gid);
    if (spec->network.container) {
        /* The user namespace of a shared network has its maps. */
        if (!s->spec->shared_network)
            return prl_failf(reterr, PRL_STAGE_STATE, ESRCH, "container",
                             "\"%.12s\" was not looked up", s->spec->network.container);
        if (!own)
            prepare_settling(s);
        s->ready = true;
        return 0;
    }
    if (!own) {
        s->served = true;
        prepare_settling(s);
        return prl_prepare_holder(s, arena, reterr);
    }
    s->uid_map = prl_arena_printf(arena, "%u %u 1\n", spec->uid_maps[0].container_id, uid);
    s->gid_map = prl_arena_printf(arena, "%u %u 1\n", spec->gid_maps[0].container_id, gid);
    return s->uid_map && s->gid_map ? 0 : out_of_memory(reterr);
}

/* Both have the caller's id alone, under one number. */
int prl_prepare_below(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr)
{
    if (!s->uid_map || !s->gid_map)
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, EINVAL, "uid_map",
                             "a box below a zygote has the caller's id only");
    uint32_t uid = s->spec->uid_maps[0].container_id, gid = s->spec->gid_maps[0].container_id;
    s->uid_map = prl_arena_printf(arena, "%u %u 1\n", uid, uid);
    s->gid_map = prl_arena_printf(arena, "%u %u 1\n", gid, gid);
    s->served = true;
    return s->uid_map && s->gid_map ? 0 : out_of_memory(reterr);
}

static const char *path_of(const struct prl_process *p)
{
    for (const char *const *e = p->env; *e; e++)
        if (strncmp(*e, "PATH=", 5) == 0)
            return *e + 5;
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static const char *join(struct prl_arena *arena, const char *dir, size_t dir_len,
                        const struct prl_process *p)
{
    const char *cwd = dir_len && dir[0] == '/' ? "" : p->cwd;
    return prl_arena_printf(arena, "%s%s%.*s/%s", cwd, *cwd && dir_len ? "/" : "", (int)dir_len,
                            dir, p->args[0]);
}

/* execvp's search, decided by the parent: the child only tries. */
int prl_prepare_programs(const struct prl_process *p, struct prl_arena *arena,
                         const char ***ret, struct prl_error *reterr)
{
    const char *path = path_of(p), *name = p->args[0];
    size_t count = 2, n = 0;
    for (const char *c = path; *c; c++)
        count += *c == ':';
    const char **programs = prl_arena_alloc(arena, (count + 1) * sizeof *programs);
    if (!programs)
        return out_of_memory(reterr);
    *ret = programs;
    if (name[0] == '\0')
        return 0; /* no candidate: ENOENT */
    if (strchr(name, '/')) {
        programs[0] = name[0] == '/' ? name : join(arena, "", 0, p);
        return programs[0] ? 0 : out_of_memory(reterr);
    }
    for (const char *dir = path;; dir += strcspn(dir, ":") + 1) {
        size_t len = strcspn(dir, ":");
        programs[n] = join(arena, dir, len, p);
        if (!programs[n++])
            return out_of_memory(reterr);
        if (dir[len] == '\0')
            return 0;
    }
}

static int prepare_rootfs(struct prl_setup *s, struct prl_arena *arena,
                          struct prl_error *reterr)
{
    const struct prl_rootfs *root = &s->spec->rootfs;
    s->overlay_data_size = OVERLAY_DATA_BYTES;
    s->overlay_data = prl_arena_alloc(arena, OVERLAY_DATA_BYTES);
    s->tmpfs_data = prl_arena_alloc(arena, 128);
    s->layer_fds = prl_arena_alloc(arena, (root->lowers_len + 2) * sizeof *s->layer_fds);
    if (root->lowers_begin > 0)
        s->layers_at = prl_arena_strndup(arena, root->lowers[0], root->lowers_begin);
    if (!s->overlay_data || !s->tmpfs_data || !s->layer_fds ||
        (root->lowers_begin > 0 && !s->layers_at))
        return out_of_memory(reterr);
    int n = snprintf(s->tmpfs_data, 128, "mode=0755");
    if (root->upper_size_bytes)
        n += snprintf(s->tmpfs_data + n, 128 - (size_t)n, ",size=%llu",
                      (unsigned long long)root->upper_size_bytes);
    if (root->upper_inodes)
        snprintf(s->tmpfs_data + n, 128 - (size_t)n, ",nr_inodes=%llu",
                 (unsigned long long)root->upper_inodes);
    return 0;
}

static int prepare_filter(struct prl_setup *s, struct prl_arena *arena,
                          struct prl_error *reterr)
{
    _cleanup_free_ char *read = NULL;
    size_t len = s->spec->seccomp_bytes_len;
    const char *path = s->spec->seccomp_program;
    const void *bytes = s->spec->seccomp_bytes;
    if (!path)
        return 0;
    int r = bytes ? 0 : prl_io_read_file(AT_FDCWD, path, FILTER_MAX_BYTES, &read, &len);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_SECCOMP, -r, "open", path);
    if (len == 0 || len % 8 != 0)
        return prl_fail_with(reterr, PRL_STAGE_SECCOMP, EINVAL, "read", path);
    s->filter = prl_arena_alloc(arena, len);
    if (!s->filter)
        return out_of_memory(reterr);
    memcpy(s->filter, bytes ? bytes : read, len);
    s->filter_len = (unsigned short)(len / 8);
    return 0;
}

/* The user and groups that its supervisor lets the program have. */
static const char *write_ids(const struct prl_process *p, struct prl_arena *arena)
{
    enum { ID_BYTES = 11 };
    size_t room = (2 + p->additional_gids_len) * ID_BYTES;
    char *text = prl_arena_alloc(arena, room);
    if (!text)
        return NULL;
    size_t len = (size_t)snprintf(text, room, "%u,%u", p->uid, p->gid);
    for (size_t i = 0; i < p->additional_gids_len; i++)
        len += (size_t)snprintf(text + len, room - len, ",%u", p->additional_gids[i]);
    return text;
}

static int prepare_fake_root(struct prl_setup *s, struct prl_arena *arena,
                             struct prl_error *reterr)
{
    if (s->spec->fake_root == PRL_FAKE_ROOT_OFF)
        return 0;
    s->fake_filter = prl_arena_alloc(arena, PRL_FAKE_FILTER_MAX * sizeof(struct sock_filter));
    if (!s->fake_filter)
        return out_of_memory(reterr);
    s->fake_filter_len = prl_fake_filter(s->spec->fake_root, s->fake_filter);
    if (s->spec->fake_root != PRL_FAKE_ROOT_REMEMBER)
        return 0;
    /* The child hands the listener over and waits until somebody answers its calls. */
    ask_parent(s, true);
    s->fake_ids = write_ids(&s->spec->process, arena);
    return s->fake_ids ? 0 : out_of_memory(reterr);
}

/* argv of the init: "init", report descriptor, program (set by the child), then the program's
 * own argv. */
static int prepare_init(struct prl_setup *s, struct prl_arena *arena, struct prl_error *reterr)
{
    size_t n = 0;
    if (!s->spec->init)
        return 0;
    while (s->spec->process.args[n])
        n++;
    s->init_args = prl_arena_alloc(arena, (n + 4) * sizeof *s->init_args);
    if (!s->init_args)
        return out_of_memory(reterr);
    s->init_args[0] = "init";
    for (size_t i = 0; i < n; i++)
        s->init_args[i + 3] = s->spec->process.args[i];
    s->init_fd = prl_init_open(reterr);
    return s->init_fd < 0 ? s->init_fd : 0;
}

static struct prl_setup empty_setup(const struct prl_spec *spec)
{
    return (struct prl_setup){.spec = spec,
                              .stdio = {-1, -1, -1},
                              .report_fd = -1,
                              .service_fd = -1,
                              .parent_fd = -1,
                              .outcome_fd = -1,
                              .init_fd = -1,
                              .barrier_fd = -1,
                              .wish_fd = -1,
                              .holder_fd = -1,
                              .complaint_fd = -1,
                              .tap_fd = -1,
                              .clock_fd = -1,
                              .root_fd = -1,
                              .scratch_root_fd = -1,
                              .dev_fd = -1,
                              .proc_fd = -1,
                              .mask_file_fd = -1,
                              .mask_directory_fd = -1,
                              .null_fd = -1};
}

/* Such a container shares the cgroup namespace, and the groups, of its caller. */
static bool needs_fence(const struct prl_spec *spec)
{
    return (spec->namespaces & CLONE_NEWUSER) && !(spec->namespaces & CLONE_NEWCGROUP) &&
           prl_spec_may_mount(spec);
}

int prl_prepare(const struct prl_spec *spec, struct prl_arena *arena, struct prl_setup *ret,
                struct prl_error *reterr)
{
    *ret = empty_setup(spec);
    int r = prepare_maps(ret, arena, reterr);
    if (r == 0)
        r = prl_prepare_sources(ret, arena, reterr);
    if (r == 0)
        r = prepare_rootfs(ret, arena, reterr);
    if (r == 0)
        r = prepare_filter(ret, arena, reterr);
    if (r == 0)
        r = prepare_fake_root(ret, arena, reterr);
    if (r == 0)
        r = prl_prepare_programs(&spec->process, arena, &ret->programs, reterr);
    if (r == 0)
        r = prepare_init(ret, arena, reterr);
    ret->fence = needs_fence(spec);
    ask_parent(ret, spec->verify); /* to be traced */
    if (r == 0)
        r = prl_prepare_limits(ret, arena, reterr);
    return r;
}

/* Namespaces, root, mounts and network are there already. */
int prl_prepare_join(const struct prl_spec *spec, const struct prl_joinable *target,
                     struct prl_arena *arena, struct prl_setup *ret, struct prl_error *reterr)
{
    *ret = empty_setup(spec);
    ret->target = target;
    int r = prepare_filter(ret, arena, reterr);
    if (r == 0)
        r = prepare_fake_root(ret, arena, reterr);
    if (r == 0)
        r = prl_prepare_programs(&spec->process, arena, &ret->programs, reterr);
    if (r == 0)
        r = prl_prepare_limits(ret, arena, reterr);
    ret->fence = needs_fence(spec);
    ret->late_cgroup = false; /* the container's cgroup namespace is joined */
    return r;
}
