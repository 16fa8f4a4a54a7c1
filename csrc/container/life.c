/* life.c: one container between request and end: created, started, finished.
 * In: a request, a launch template.  Out: its directory, config.json, child; then its record.
 * Never: Python, waiting, a decision about streams, an option. */
#include "container/life.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "base/trace.h"
#include "container/events/journal.h"
#include "container/monitor/exports.h"
#include "spec/exports.h"
#include "userns/holder/exports.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

void prl_container_begin(struct prl_container *c, const struct prl_dirs *dirs,
                         const struct prl_request *request)
{
    c->dirs = dirs;
    c->request = request;
    c->state.dir_fd = c->state.lock_fd = c->state.marker_fd = -1;
    c->child.pid = c->child.pidfd = c->child.terminal_fd = -1;
}

static const char *scratch_of(struct prl_container *c)
{
    _cleanup_free_ char *real = NULL;
    if (!c->scratch_known && prl_scratch_path(c->scratch) == 0 && access(c->scratch, F_OK) == 0)
        real = realpath(c->scratch, NULL);
    if (!c->scratch_known)
        snprintf(c->scratch, sizeof c->scratch, "%s", real ? real : "");
    c->scratch_known = true;
    return c->scratch[0] ? c->scratch : NULL;
}

static struct prl_config_facts gather_facts(struct prl_container *c)
{
    return (struct prl_config_facts){
        .id = c->state.id,
        .name = c->state.name,
        .container_dir = c->state.path,
        .data_dir = c->dirs->data,
        .runtime_dir = c->dirs->runtime,
        .scratch_dir = scratch_of(c),
        .launcher = c->launcher,
        .allow = c->allow,
        .shared_network = c->shared_network,
        .donors = c->donors,
        .donors_len = c->donors_len,
        .uid = geteuid(),
        .gid = getegid(),
        .machine_ids = true,
        .rows = c->request->window.ws_row,
        .columns = c->request->window.ws_col,
    };
}

/* What the request names outside the engine: destinations, other containers. */
static int resolve(struct prl_container *c, struct prl_error *reterr)
{
    const struct prl_request *request = c->request;
    int r = 0;
    if (request->network_of)
        r = prl_shared_network_find(c->dirs, request->network_of, &c->shared_network, reterr);
    if (r >= 0)
        r = prl_donors_find(c->dirs, request, &c->donors, &c->donors_len, reterr);
    return r < 0 ? r : request->words->resolve(request, &c->allow, reterr);
}

/* A config.json that was handed to us names the other container by its id. */
static int check_shared_network(struct prl_container *c, struct prl_error *reterr)
{
    const char *id = c->spec->network.container;
    int r = 0;
    if (id && !c->shared_network)
        r = prl_shared_network_find(c->dirs, id, &c->shared_network, reterr);
    return r < 0 || !id ? r : prl_shared_network_check(c->shared_network, c->spec, reterr);
}

/* The small files that config.json binds out of the container's directory. */
static int write_files(const struct prl_container *c, const struct prl_config_facts *facts,
                       struct prl_error *reterr)
{
    struct prl_config_file files[PRL_CONFIG_FILES];
    int n = c->request->words->files(c->request, facts, files, reterr);
    int r = n < 0 ? n : 0;
    for (int i = 0; i < n; i++) {
        int w = prl_io_write_file(c->state.dir_fd, files[i].name, files[i].content,
                                  strlen(files[i].content), O_CREAT | O_EXCL, 0644);
        if (w < 0 && r == 0)
            r = prl_fail_with(reterr, PRL_STAGE_STATE, -w, "write", files[i].name);
        free(files[i].content);
    }
    return r;
}

static int merge(struct prl_container *c, const struct prl_template *template,
                 const struct prl_config_facts *facts, struct prl_error *reterr)
{
    prl_spec_free(c->spec);
    c->spec = NULL;
    int r = prl_template_spec(template, &c->spec, reterr);
    return r < 0 ? r : c->request->words->merge(c->request, facts, c->spec, reterr);
}

/* A config.json that was handed to us (--spec). */
static int parse(struct prl_container *c, struct prl_error *reterr)
{
    int r = prl_spec_read(c->json, c->json_len, &c->spec, reterr);
    return r < 0 ? r : prl_spec_check(c->spec, reterr);
}

static int write_text(struct prl_container *c, struct prl_error *reterr)
{
    free(c->json);
    c->json = NULL;
    return prl_spec_write(c->spec, &c->json, &c->json_len, reterr);
}

static int choose_limits(struct prl_container *c, struct prl_error *reterr)
{
    prl_limits_plan_free(&c->plan);
    return prl_limits_choose(c->spec, &c->host, c->state.id, &c->plan, reterr);
}

/* What holds each limit: decided on this host, written into config.json.  Costs nothing when
 * nothing is limited.  1: something was decided. */
static int plan_limits(struct prl_container *c, struct prl_error *reterr)
{
    if (c->spec->resources.asked == 0 && !prl_cgroup_is_apart(c->spec))
        return 0;
    int r = prl_cgroup_look_or_ask(c->spec, &c->host, reterr);
    if (r == 0)
        r = choose_limits(c, reterr);
    if (r == 0)
        r = prl_config_enforcement(&c->plan, c->spec, reterr);
    return r < 0 ? r : 1;
}

/* Options and template → spec and config.json, or config.json → spec: its bytes stay as they
 * are where nothing is decided. */
static int describe(struct prl_container *c, const struct prl_template *template,
                    struct prl_error *reterr)
{
    const struct prl_config_facts facts = gather_facts(c);
    int r = template ? merge(c, template, &facts, reterr) : parse(c, reterr);
    prl_trace_mark("merge");
    int decided = r < 0 ? r : plan_limits(c, reterr);
    r = decided < 0 ? decided : check_shared_network(c, reterr);
    if (r == 0 && (template || decided > 0))
        r = write_text(c, reterr);
    prl_trace_mark("text");
    return r;
}

int prl_container_describe(struct prl_container *c, const struct prl_template *template,
                           struct prl_error *reterr)
{
    static const char no_id[] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    memcpy(c->state.id, no_id, sizeof no_id);
    int r = template ? resolve(c, reterr) : 0;
    return r < 0 ? r : describe(c, template, reterr);
}

static struct prl_state_options state_options(const struct prl_container *c)
{
    const struct prl_request *request = c->request;
    return (struct prl_state_options){
        .name = request->name,
        .named = request->named,
        .remove = request->remove,
        .ephemeral = request->ephemeral,
        .upper = !request->ephemeral,
    };
}

static int create_state(struct prl_container *c, struct prl_error *reterr)
{
    const struct prl_state_options want = state_options(c);
    return prl_state_create(c->dirs, &want, &c->state, reterr);
}

/* --cidfile and --pidfile: never over what is there, never through a link. */
static int write_id_file(const char *path, const char *option, const char *text,
                         struct prl_error *reterr)
{
    if (!path)
        return 0;
    int r = prl_io_write_file(AT_FDCWD, path, text, strlen(text), O_CREAT | O_EXCL, 0644);
    if (r == -EEXIST)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EEXIST, option,
                         "%s exists already; remove it or name another file", path);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_OPTIONS, -r, option, "cannot write %s: %s", path,
                         strerror(-r));
    return 0;
}

/* The volumes of config.json, unless they are held already.  One that stands for a directory of
 * the host is mounted from there, and is that of somebody's own. */
static int hold_volumes(struct prl_container *c, struct prl_error *reterr)
{
    bool changed = false;
    if (c->spec->volumes_len == 0 || c->volumes.held)
        return 0;
    const struct prl_config_facts facts = gather_facts(c);
    int r = prl_volumes_hold(c->dirs, &c->state, c->spec, &c->volumes, reterr);
    c->state.volumes = true;
    for (size_t i = 0; r >= 0 && i < c->volumes.len; i++) {
        const struct prl_held_volume *held = &c->volumes.held[i];
        if (held->device)
            r = prl_config_volume_device(c->spec, held->volume->name, held->device, &facts,
                                         reterr);
        changed |= r > 0;
    }
    if (r < 0 || !changed)
        return r < 0 ? r : 0;
    r = write_text(c, reterr);
    return r < 0 ? r : prl_state_rewrite_config(&c->state, c->json, c->json_len, reterr);
}

static int fill_directory(struct prl_container *c, const struct prl_template *template,
                          struct prl_error *reterr)
{
    int r = template ? resolve(c, reterr) : 0;
    const struct prl_config_facts facts = gather_facts(c);
    if (r == 0)
        r = describe(c, template, reterr);
    if (r == 0 && template)
        r = write_files(c, &facts, reterr);
    if (r == 0)
        r = prl_state_write_config(&c->state, c->json, c->json_len, reterr);
    if (r == 0)
        r = hold_volumes(c, reterr);
    prl_trace_mark("files");
    return r == 0 ? write_id_file(c->request->id_file, "--cidfile", c->state.id, reterr) : r;
}

/* What somebody may speak of later is written down: what has a name.  A container of `run --rm`
 * has none, and pays for no event. */
static void tell(const struct prl_container *c, const char *action, const char *more)
{
    const struct prl_event event = {.type = "container",
                                    .action = action,
                                    .id = c->state.id,
                                    .attributes = c->attributes,
                                    .more = more};
    if (c->attributes)
        prl_journal_add(c->dirs, &event);
}

static void tell_created(struct prl_container *c)
{
    if (c->state.name)
        c->attributes = prl_journal_attributes(c->spec, c->request->template, c->state.name);
    tell(c, "create", NULL);
}

static void tell_end(const struct prl_container *c, const struct prl_status *status)
{
    char more[64];
    snprintf(more, sizeof more, "\"execDuration\":\"%llu\",\"exitCode\":\"%d\"",
             (unsigned long long)(status->wall_ns / 1000000000), prl_status_exit_code(status));
    if (status->ended_by == PRL_ENDED_OOM)
        tell(c, "oom", NULL);
    tell(c, "die", more);
}

int prl_container_create(struct prl_container *c, const struct prl_template *template,
                         struct prl_error *reterr)
{
    int r = create_state(c, reterr);
    if (r < 0)
        return r;
    prl_trace_mark("state");
    r = fill_directory(c, template, reterr);
    if (r == 0)
        tell_created(c);
    if (r < 0) {
        struct prl_error second;
        prl_container_finish(c, NULL, &second);
    }
    return r;
}

int prl_container_leave(struct prl_container *c, struct prl_error *reterr)
{
    struct prl_error second;
    prl_volumes_release(&c->volumes);
    int r = prl_state_leave(c->dirs, &c->state, reterr);
    if (r < 0)
        prl_container_finish(c, NULL, &second);
    return r;
}

/* An annotation as it stands in the spec's arena; NULL: there is none. */
static int note_of(const struct prl_container *c, const char *key, const char **ret,
                   struct prl_error *reterr)
{
    *ret = NULL;
    return prl_spec_note_get(c->spec->arena, c->spec, key, ret) < 0
               ? prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "config.json")
               : 0;
}

/* What its config.json says of its life. */
static int read_request(const struct prl_container *c, struct prl_request *ret,
                        struct prl_error *reterr)
{
    const char *remove, *interactive;
    int r = note_of(c, "io.pyrootless.remove", &remove, reterr);
    if (r == 0)
        r = note_of(c, "io.pyrootless.interactive", &interactive, reterr);
    if (r == 0)
        r = note_of(c, "io.pyrootless.restart", &ret->restart, reterr);
    if (r < 0)
        return r;
    ret->remove = remove && strcmp(remove, "1") == 0;
    ret->interactive = interactive && strcmp(interactive, "1") == 0;
    ret->lent = true; /* perhaps */
    ret->any_driver = c->spec->rootfs.driver == PRL_DRIVER_UNSAID;
    return 0;
}

int prl_container_reload(struct prl_container *c, struct prl_error *reterr)
{
    free(c->json);
    c->json = NULL;
    prl_spec_free(c->spec);
    c->spec = NULL;
    int r = prl_state_read(c->state.path, PRL_STATE_CONFIG, &c->json, &c->json_len);
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "read", "%s/config.json", c->state.path);
    return parse(c, reterr);
}

/* config.json as it is on disk, and with what is decided on this host now. */
static int reload(struct prl_container *c, struct prl_request *request,
                  struct prl_error *reterr)
{
    int r = prl_container_reload(c, reterr);
    if (r == 0)
        r = read_request(c, request, reterr);
    if (r < 0)
        return r;
    c->state.remove = request->remove;
    int decided = plan_limits(c, reterr);
    r = decided < 0 ? decided : check_shared_network(c, reterr);
    if (r == 0 && decided > 0)
        r = write_text(c, reterr);
    return r < 0 || decided == 0
               ? r
               : prl_state_rewrite_config(&c->state, c->json, c->json_len, reterr);
}

int prl_container_retake(struct prl_container *c, const char *text, struct prl_request *request,
                         struct prl_error *reterr)
{
    struct prl_error second;
    int r = prl_state_retake(c->dirs, text, &c->state, reterr);
    if (r != 0)
        return r;
    r = prl_state_unmark(c->state.path, "stopped");
    if (r < 0)
        r = prl_failf(reterr, PRL_STAGE_STATE, -r, "unlink", "%s/stopped", c->state.path);
    if (r == 0)
        r = reload(c, request, reterr);
    if (r == 0 && c->state.name)
        c->attributes = prl_journal_attributes_of(c->state.path);
    if (r < 0)
        (void)prl_container_fail(c, reterr, &second);
    return r;
}

typedef int (*launch_fn)(const struct prl_spec *spec, const struct prl_stdio *stdio,
                         struct prl_child *ret, struct prl_error *reterr);

static int launch_once(struct prl_container *c, const struct prl_stdio *stdio, launch_fn launch,
                       struct prl_error *reterr)
{
    c->spec->shared_network = c->shared_network ? &c->shared_network->running.target : NULL;
    prl_cgroup_host_lend(&c->host, &c->spec->resources);
    return launch(c->spec, stdio, &c->child, reterr);
}

/* The kernel has no overlay for us: once more, with the program that does the same. */
static int start_again(struct prl_container *c, const struct prl_stdio *stdio, launch_fn launch,
                       struct prl_error *reterr)
{
    int r = prl_config_fall_back(c->spec, reterr);
    if (r == 0)
        r = write_text(c, reterr);
    if (r < 0)
        return r;
    r = prl_state_rewrite_config(&c->state, c->json, c->json_len, reterr);
    return r < 0 ? r : launch_once(c, stdio, launch, reterr);
}

/* Nothing in it is the caller's: whoever unmounts or detaches what he lent to a container finds
 * it free when the container has ended.  A server of its root ends after its mount. */
static bool leaves_mounts(const struct prl_container *c)
{
    return c->child.helper == 0 && c->request->remove && !c->request->lent && !c->spec->lent;
}

static int start(struct prl_container *c, const struct prl_stdio *stdio, launch_fn launch,
                 struct prl_error *reterr)
{
    char pid[24];
    int r = hold_volumes(c, reterr);
    if (r < 0)
        return r;
    r = launch_once(c, stdio, launch, reterr);
    if (r < 0 && c->request->any_driver && prl_config_may_fall_back(reterr))
        r = start_again(c, stdio, launch, reterr);
    prl_volumes_settle(&c->volumes, r == 0);
    if (r < 0)
        return r;
    if (leaves_mounts(c)) /* first of all: the program may end soon */
        prl_mounts_hold(&c->child);
    r = prl_state_write_child(&c->state, &c->child, reterr);
    snprintf(pid, sizeof pid, "%d\n", c->child.pid);
    if (r == 0)
        r = write_id_file(c->request->pid_file, "--pidfile", pid, reterr);
    if (r < 0) {
        prl_child_close(&c->child);
        return r;
    }
    tell(c, "start", NULL);
    prl_trace_mark("entry");
    if (!c->child.joined)
        (void)prl_holder_start(c->spec); /* for the next one */
    struct prl_error ignored; /* what others left behind is not this container's failure */
    prl_state_sweep(c->dirs, &ignored);
    return 0;
}

int prl_container_start(struct prl_container *c, const struct prl_stdio *stdio,
                        struct prl_error *reterr)
{
    return start(c, stdio, prl_launch, reterr);
}

int prl_container_hold(struct prl_container *c, const struct prl_stdio *stdio,
                       struct prl_error *reterr)
{
    return start(c, stdio, prl_launch_held, reterr);
}

int prl_container_finish(struct prl_container *c, const struct prl_status *status,
                         struct prl_error *reterr)
{
    struct prl_error second;
    bool goes = c->state.remove || !status;
    prl_child_close(&c->child);
    prl_volumes_release(&c->volumes);
    if (status)
        tell_end(c, status);
    int r = status ? prl_state_write_status(&c->state, status, reterr) : 0;
    int f = prl_state_finish(c->dirs, &c->state, r < 0 ? &second : reterr);
    if (goes)
        tell(c, "destroy", NULL);
    free(steal_ptr(&c->attributes)); /* what ended once does not end again */
    return r < 0 ? r : f;
}

int prl_container_record(struct prl_container *c, const struct prl_status *status,
                         struct prl_error *reterr)
{
    tell_end(c, status);
    return prl_state_write_status(&c->state, status, reterr);
}

int prl_container_fail(struct prl_container *c, const struct prl_error *error,
                       struct prl_error *reterr)
{
    struct prl_error second;
    prl_child_close(&c->child);
    if (!c->state.again)
        return prl_container_finish(c, NULL, reterr);
    prl_volumes_release(&c->volumes);
    int r = prl_state_write_failure(&c->state, error, reterr);
    int f = prl_state_finish(c->dirs, &c->state, r < 0 ? &second : reterr);
    free(steal_ptr(&c->attributes));
    return r < 0 ? r : f;
}

void prl_container_free(struct prl_container *c)
{
    prl_close_p(&c->child.pidfd);
    prl_close_p(&c->child.terminal_fd);
    if (c->child.held)
        prl_close_p(&c->child.barrier_fd);
    if (c->child.held || c->child.left)
        prl_close_p(&c->child.mounts_fd);
    prl_cgroups_forget(c->child.cgroups);
    c->child.cgroups = NULL;
    prl_limits_plan_free(&c->plan);
    prl_cgroup_host_free(&c->host);
    prl_state_close(&c->state);
    prl_volumes_release(&c->volumes);
    prl_donors_free(c->donors, c->donors_len);
    c->donors = NULL;
    c->donors_len = 0;
    prl_spec_free(c->spec);
    prl_shared_network_free(c->shared_network);
    free(c->json);
    free(c->allow);
    free(c->attributes);
    c->attributes = NULL;
    c->spec = NULL;
    c->shared_network = NULL;
    c->json = c->allow = NULL;
}
