/* container.c: one container between request and end: created, started, finished.
 * In: a request, a launch template.  Out: its directory, config.json, child; then its record.
 * Never: Python, waiting, a decision about streams, an option.
 *
 * may_wait: it is started at once, so that its directory may be unmade until then, and made
 * while its child is set up, as may be the look at the template's sources; lost: a sweep had
 * its id meanwhile; stale: its template was found so meanwhile. */
#include "cli/container.h"

#include "base/error.h"
#include "base/io.h"
#include "base/own.h"
#include "base/trace.h"
#include "holder/holder.h"
#include "launch_meanwhile.h"
#include "monitor_mounts.h"

#include <fcntl.h>
#include <sched.h>
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

const char *prl_container_scratch(struct prl_container *c)
{
    if (!c->scratch_known && (prl_scratch_path(c->scratch) < 0 || access(c->scratch, F_OK) < 0))
        c->scratch[0] = '\0';
    c->scratch_known = true;
    return c->scratch[0] ? c->scratch : NULL;
}

/* Without limits, of which a directory must tell before there is a group. */
static bool may_begin_unmade(const struct prl_container *c)
{
    return c->may_wait && c->host.sight == PRL_SIGHT_NONE && !c->request->named;
}

int prl_container_template(struct prl_container *c, const char *image, struct prl_template *ret,
                           struct prl_error *reterr)
{
    int r = prl_template_lock(c->dirs, image, ret, reterr);
    if (r != 0)
        return r;
    c->unmade = prl_recall(c, ret) && may_begin_unmade(c);
    if (c->unmade || (c->recall.flat.map && prl_flat_is_fresh(&c->recall.flat)))
        return 0;
    prl_flat_close(&c->recall.flat);
    return prl_template_read(c->dirs, image, ret, reterr);
}

int prl_container_text(struct prl_container *c, struct prl_error *reterr)
{
    return c->json || !c->spec || !c->recall.flat.map ? 0 : prl_recall_text(c, reterr);
}

static struct prl_config_facts gather_facts(struct prl_container *c)
{
    return (struct prl_config_facts){
        .id = c->state.id,
        .name = c->state.name,
        .container_dir = c->state.path,
        .data_dir = c->dirs->data,
        .runtime_dir = c->dirs->runtime,
        .scratch_dir = prl_container_scratch(c),
        .launcher = c->launcher,
        .allow = c->allow,
        .neighbour = c->neighbour,
        .uid = geteuid(),
        .gid = getegid(),
        .machine_ids = true,
        .rows = c->request->window.ws_row,
        .columns = c->request->window.ws_col,
    };
}

/* What the request names outside the engine: destinations, another container. */
static int resolve_network(struct prl_container *c, struct prl_error *reterr)
{
    const struct prl_request *request = c->request;
    int r = 0;
    if (request->network_of)
        r = prl_neighbour_find(c->dirs, request->network_of, &c->neighbour, reterr);
    return r < 0 ? r : request->words->resolve(request, &c->allow, reterr);
}

/* A config.json that was handed to us names the other container by its id. */
static int check_neighbour(struct prl_container *c, struct prl_error *reterr)
{
    const char *id = c->spec->network.container;
    int r = 0;
    if (id && !c->neighbour)
        r = prl_neighbour_find(c->dirs, id, &c->neighbour, reterr);
    return r < 0 || !id ? r : prl_neighbour_check(c->neighbour, c->spec, reterr);
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

/* The template's filter goes back where the merge left its place empty.  What the launch reads
 * of it stands in annotations, so the spec is made of the brief text. */
static int complete(struct prl_container *c, const struct prl_template *template,
                    struct prl_error *reterr)
{
    const struct prl_span brief = {c->brief, c->brief_len};
    struct prl_span place = {c->brief, 0}, filter = {"", 0};
    if (template->filter.len && prl_span_find(brief, "linux", "seccomp", &place)) {
        if (place.len == 2 && memcmp(place.at, "{}", 2) == 0)
            filter = template->filter;
        else
            place.len = 0;
    }
    c->json = prl_span_replace(brief, place, filter, &c->json_len);
    return c->json ? 0
                   : prl_fail_with(reterr, PRL_STAGE_CONFIG, ENOMEM, "malloc", "config.json");
}

static int merge(struct prl_container *c, const struct prl_template *template,
                 const struct prl_config_facts *facts, struct prl_error *reterr)
{
    struct prl_request_text text = {NULL, 0};
    int r = c->request->words->merge(c->request, template, facts, &text, reterr);
    c->brief = text.json;
    c->brief_len = text.len;
    c->recall.repeatable = r == 0;
    return r < 0 ? r : complete(c, template, reterr);
}

static int parse(struct prl_container *c, struct prl_error *reterr)
{
    prl_spec_free(c->spec);
    c->spec = NULL;
    return c->brief ? prl_spec_parse(c->brief, c->brief_len, &c->spec, reterr)
                    : prl_spec_parse(c->json, c->json_len, &c->spec, reterr);
}

/* The plan into config.json: into the brief text where there is one, a sixth of the whole. */
static int write_rungs(struct prl_container *c, const struct prl_template *template,
                       struct prl_error *reterr)
{
    if (!c->brief)
        return prl_config_rungs(&c->plan, &c->json, &c->json_len, reterr);
    int r = prl_config_rungs(&c->plan, &c->brief, &c->brief_len, reterr);
    if (r < 0)
        return r;
    free(c->json);
    c->json = NULL;
    return complete(c, template, reterr);
}

static int choose_limits(struct prl_container *c, struct prl_error *reterr)
{
    prl_limits_plan_free(&c->plan);
    return prl_limits_choose(c->spec, &c->host, c->state.id, &c->plan, reterr);
}

/* What holds each limit: decided on this host, written into config.json.  Costs nothing when
 * nothing is limited. */
static int plan_limits(struct prl_container *c, const struct prl_template *template,
                       struct prl_error *reterr)
{
    int r = parse(c, reterr);
    if (r < 0 || (c->spec->resources.asked == 0 && !prl_cgroup_is_apart(c->spec)))
        return r;
    r = prl_cgroup_look_or_ask(c->spec, &c->host, reterr);
    if (r == 0)
        r = choose_limits(c, reterr);
    if (r == 0)
        r = write_rungs(c, template, reterr);
    return r < 0 ? r : parse(c, reterr);
}

/* One that was only locked, for a start that is recalled. */
static int read_template(struct prl_container *c, struct prl_template *template,
                         struct prl_error *reterr)
{
    const char *image = c->request->template;
    int r = template->json ? 0 : prl_template_read(c->dirs, image, template, reterr);
    return r <= 0 ? r : prl_fail_with(reterr, PRL_STAGE_TEMPLATE, ESTALE, "read", image);
}

int prl_container_describe(struct prl_container *c, struct prl_template *template,
                           struct prl_error *reterr)
{
    static const char no_id[] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    memcpy(c->state.id, no_id, sizeof no_id);
    int r = template ? read_template(c, template, reterr) : 0;
    if (r == 0 && template)
        r = resolve_network(c, reterr);
    const struct prl_config_facts facts = gather_facts(c);
    if (r == 0 && template)
        r = merge(c, template, &facts, reterr);
    if (r == 0)
        r = plan_limits(c, template, reterr);
    return r < 0 ? r : check_neighbour(c, reterr);
}

static struct prl_state_options state_options(const struct prl_container *c)
{
    const struct prl_request *request = c->request;
    return (struct prl_state_options){
        .name = request->name,
        .named = request->named,
        .remove = request->remove,
        .throw_away = request->ephemeral,
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

static int write_again(struct prl_container *c, struct prl_error *reterr)
{
    const struct prl_config_facts facts = gather_facts(c);
    int r = write_files(c, &facts, reterr);
    return r < 0 ? r : prl_recall_write(c, reterr);
}

/* Like a start before: nothing is merged, and nothing parsed. */
static int fill_again(struct prl_container *c, struct prl_error *reterr)
{
    int r = prl_recall_spec(c, reterr);
    /* The same as before, of the same host, by the key; strict ones leave nothing to tell. */
    if (r == 0 && c->spec->resources.asked && c->spec->resources.best_effort)
        r = choose_limits(c, reterr);
    prl_trace_mark("spec");
    if (r == 0)
        r = write_again(c, reterr);
    prl_trace_mark("files");
    return r == 0 ? write_id_file(c->request->id_file, "--cidfile", c->state.id, reterr) : r;
}

static int fill_directory(struct prl_container *c, const struct prl_template *template,
                          struct prl_error *reterr)
{
    int r = 0;
    if (template) {
        r = resolve_network(c, reterr);
        const struct prl_config_facts facts = gather_facts(c);
        if (r == 0)
            r = merge(c, template, &facts, reterr);
        prl_trace_mark("merge");
        if (r == 0)
            r = write_files(c, &facts, reterr);
    }
    if (r == 0)
        r = plan_limits(c, template, reterr);
    if (r == 0)
        r = check_neighbour(c, reterr);
    prl_trace_mark("parse");
    if (r == 0)
        r = prl_state_write_config(&c->state, c->json, c->json_len, reterr);
    if (r == 0 && template)
        prl_recall_keep(c, template);
    prl_trace_mark("files");
    if (r == 0)
        r = write_id_file(c->request->id_file, "--cidfile", c->state.id, reterr);
    return r;
}

/* The spec of a start like one before.  Its directory is made while its child is set up
 * (make_again), when the caller starts it at once; a name must be taken before. */
static int begin_again(struct prl_container *c, struct prl_error *reterr)
{
    const struct prl_state_options want = state_options(c);
    int r = prl_state_describe(c->dirs, &want, &c->state, reterr);
    if (r == 0)
        r = prl_recall_spec(c, reterr);
    prl_trace_mark("spec");
    return r;
}

/* The child runs beside this and shares errno: what fails here fails the start. */
static int make_again(void *data, struct prl_error *reterr)
{
    struct prl_container *c = data;
    const struct prl_state_options want = state_options(c);
    int r = prl_state_make(c->dirs, &want, &c->state, reterr);
    c->lost = r > 0;
    if (c->lost)
        return prl_failf(reterr, PRL_STAGE_STATE, EAGAIN, "flock", "%s/running/%s",
                         c->dirs->runtime, c->state.id);
    return r == 0 ? write_again(c, reterr) : r;
}

static int check_fresh(struct prl_container *c, struct prl_error *reterr)
{
    c->stale = !prl_flat_is_fresh(&c->recall.flat);
    return c->stale ? prl_fail_with(reterr, PRL_STAGE_TEMPLATE, ESTALE, "stat",
                                    "what the launch template was made from")
                    : 0;
}

/* Beside the child as well, for it is seldom otherwise. */
static int check_again(void *data, struct prl_error *reterr)
{
    struct prl_container *c = data;
    int r = check_fresh(c, reterr);
    return r == 0 ? write_id_file(c->request->id_file, "--cidfile", c->state.id, reterr) : r;
}

int prl_container_create(struct prl_container *c, const struct prl_template *template,
                         struct prl_error *reterr)
{
    if (c->unmade)
        return begin_again(c, reterr);
    int r = create_state(c, reterr);
    if (r < 0)
        return r;
    prl_trace_mark("state");
    r = c->recall.flat.map ? fill_again(c, reterr) : fill_directory(c, template, reterr);
    if (r < 0) {
        struct prl_error second;
        prl_container_finish(c, NULL, &second);
    }
    return r;
}

typedef int (*launch_fn)(const struct prl_spec *spec, const struct prl_stdio *stdio,
                         struct prl_child *ret, struct prl_error *reterr);

static int launch_once(struct prl_container *c, const struct prl_stdio *stdio, launch_fn launch,
                       struct prl_error *reterr)
{
    c->spec->neighbour = c->neighbour ? &c->neighbour->running.target : NULL;
    prl_cgroup_host_lend(&c->host, &c->spec->resources);
    if (!c->unmade)
        return launch(c->spec, stdio, &c->child, reterr);
    c->unmade = false;
    const struct prl_meanwhile meanwhile = {make_again, check_again, c};
    return prl_launch_meanwhile(c->spec, stdio, &meanwhile, &c->child, reterr);
}

/* The id is somebody else's: once more with another one, and in the usual order. */
static int start_over(struct prl_container *c, const struct prl_stdio *stdio, launch_fn launch,
                      struct prl_error *reterr)
{
    struct prl_error ignored;
    prl_state_finish(c->dirs, &c->state, &ignored);
    prl_spec_free(c->spec);
    c->spec = NULL;
    c->lost = false;
    int r = check_fresh(c, reterr);
    if (r == 0)
        r = create_state(c, reterr);
    if (r == 0)
        r = fill_again(c, reterr);
    return r < 0 ? r : launch_once(c, stdio, launch, reterr);
}

/* The kernel has no overlay for us: once more, with the program that does the same. */
static int start_again(struct prl_container *c, const struct prl_stdio *stdio, launch_fn launch,
                       struct prl_error *reterr)
{
    char *json = NULL;
    size_t len;
    int r = prl_container_text(c, reterr);
    if (r == 0)
        r = prl_config_fall_back(c->json, c->json_len, &json, &len, reterr);
    if (r < 0)
        return r;
    free(c->json);
    c->json = json;
    c->json_len = len;
    prl_spec_free(c->spec);
    c->spec = NULL;
    r = prl_state_rewrite_config(&c->state, json, len, reterr);
    if (r == 0)
        r = prl_spec_parse(json, len, &c->spec, reterr);
    return r < 0 ? r : launch_once(c, stdio, launch, reterr);
}

/* Nothing in it is the caller's: whoever unmounts or detaches what he lent to a container finds
 * it free when the container has ended.  A server of its root ends after its mount. */
static bool leaves_mounts(const struct prl_container *c)
{
    return c->child.helper == 0 && c->request->remove && !c->request->lent;
}

static int start(struct prl_container *c, const struct prl_stdio *stdio, launch_fn launch,
                 struct prl_error *reterr)
{
    char pid[24];
    int r = launch_once(c, stdio, launch, reterr);
    if (r < 0 && c->lost)
        r = start_over(c, stdio, launch, reterr);
    if (r < 0 && c->request->any_driver && prl_config_may_fall_back(reterr))
        r = start_again(c, stdio, launch, reterr);
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
    prl_child_close(&c->child);
    int r = status ? prl_state_write_status(&c->state, status, reterr) : 0;
    int f = prl_state_finish(c->dirs, &c->state, r < 0 ? &second : reterr);
    return r < 0 ? r : f;
}

void prl_container_free(struct prl_container *c)
{
    prl_close_p(&c->child.pidfd);
    prl_close_p(&c->child.terminal_fd);
    if (c->child.held)
        prl_close_p(&c->child.gate_fd);
    if (c->child.held || c->child.left)
        prl_close_p(&c->child.mounts_fd);
    prl_cgroups_forget(c->child.cgroups);
    c->child.cgroups = NULL;
    prl_limits_plan_free(&c->plan);
    prl_cgroup_host_free(&c->host);
    prl_state_close(&c->state);
    prl_spec_free(c->spec);
    prl_neighbour_free(c->neighbour);
    free(c->json);
    free(c->brief);
    free(c->allow);
    prl_recall_free(&c->recall);
    c->spec = NULL;
    c->neighbour = NULL;
    c->json = c->brief = c->allow = NULL;
}
