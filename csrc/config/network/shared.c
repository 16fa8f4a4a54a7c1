/* shared.c: --network container:NAME: whose network it is, and who may come into it.
 * In: a name, the directories of running containers.  Out: struct prl_shared_network, or why
 * not. Never: a container of somebody else's (there is none in these directories); a launch
 * whose ids mean others in the shared user namespace than its config.json says. */
#include "config/network/shared.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "spec/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX_BYTES = 64 * 1024 };

#define BAD(errnum, ...) prl_failf(reterr, PRL_STAGE_OPTIONS, errnum, "--network", __VA_ARGS__)

static int fill(struct prl_shared_network *n, struct prl_error *reterr)
{
    _cleanup_free_ char *json = NULL;
    int r = prl_running_config(&n->running, &json, reterr);
    if (r == 0)
        r = prl_spec_parse(json, strlen(json), &n->spec, reterr);
    if (r < 0)
        return r;
    const char *kind = NULL; /* what no annotation says is a map of one id */
    (void)prl_spec_note_get(n->spec->arena, n->spec, "io.pyrootless.userns", &kind);
    snprintf(n->userns, sizeof n->userns, "%s", kind ? kind : "single");
    if (!(n->spec->namespaces & CLONE_NEWNET))
        return BAD(EINVAL,
                   "container %.12s shares the host's network itself: take --network "
                   "host",
                   n->running.id);
    const struct {
        const char *name;
        char **to;
    } files[] = {{"hosts", &n->hosts}, {"resolv.conf", &n->resolv}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_MAX];
        size_t len;
        snprintf(path, sizeof path, "%s/%s", n->running.directory, files[i].name);
        r = prl_io_read_file(AT_FDCWD, path, FILE_MAX_BYTES, files[i].to, &len);
        if (r < 0 && r != -ENOENT)
            return prl_fail_with(reterr, PRL_STAGE_STATE, -r, "open", path);
    }
    return 0;
}

int prl_shared_network_find(const struct prl_dirs *dirs, const char *text,
                            struct prl_shared_network **ret, struct prl_error *reterr)
{
    struct prl_shared_network *n = calloc(1, sizeof *n);
    if (!n)
        return prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc", "container");
    n->running.target = (struct prl_joinable){.pidfd = -1, .proc_fd = -1};
    int r = prl_state_find(dirs, text, &n->running, reterr);
    if (r == 0)
        r = fill(n, reterr);
    if (r == 0)
        *ret = n;
    else
        prl_shared_network_free(n);
    return r;
}

static bool same_map(const struct prl_idmap *a, size_t a_len, const struct prl_idmap *b,
                     size_t b_len)
{
    bool same = a_len == b_len;
    for (size_t i = 0; same && i < a_len; i++)
        same = a[i].container_id == b[i].container_id && a[i].host_id == b[i].host_id &&
               a[i].size == b[i].size;
    return same;
}

static bool has_one_id(const struct prl_spec *spec)
{
    return spec->uid_maps_len == 1 && spec->uid_maps[0].size == 1 && spec->gid_maps_len == 1 &&
           spec->gid_maps[0].size == 1;
}

int prl_shared_network_check(const struct prl_shared_network *shared_network,
                             const struct prl_spec *spec, struct prl_error *reterr)
{
    const struct prl_spec *other = shared_network->spec;
    const char *id = shared_network->running.id;
    if (other->resources.held_by[PRL_LIMIT_PIDS] == PRL_BY_NPROC)
        return BAD(
            EOPNOTSUPP,
            "the --pids-limit of container %.12s is enforced by RLIMIT_NPROC, which would "
            "count the processes of both: start it without",
            id);
    if (same_map(spec->uid_maps, spec->uid_maps_len, other->uid_maps, other->uid_maps_len) &&
        same_map(spec->gid_maps, spec->gid_maps_len, other->gid_maps, other->gid_maps_len))
        return 0;
    if (!has_one_id(other) || !has_one_id(spec))
        return BAD(EINVAL,
                   "container %.12s has another map of ids, and its user namespace comes with "
                   "its network: start it again",
                   id);
    return BAD(
        EINVAL,
        "in the user namespace of container %.12s, which comes with its network, the one "
        "id is %u:%u, and here it would be %u:%u: add -u %u:%u, or start both with "
        "--userns=range",
        id, other->uid_maps[0].container_id, other->gid_maps[0].container_id,
        spec->uid_maps[0].container_id, spec->gid_maps[0].container_id,
        other->uid_maps[0].container_id, other->gid_maps[0].container_id);
}

void prl_shared_network_free(struct prl_shared_network *shared_network)
{
    if (!shared_network)
        return;
    prl_running_free(&shared_network->running);
    prl_spec_free(shared_network->spec);
    free(shared_network->hosts);
    free(shared_network->resolv);
    free(shared_network);
}
