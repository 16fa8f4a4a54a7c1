/* kept.c: `run -t`, `run -d` and `start`: one created container in the hands of its own
 * monitor. In: a created container.  Out: prl_status; the container is finished, or goes on.
 * Never: the container's child in two hands; an answer before the program runs. */
#include "cli/attach/session.h"
#include "cli/verbs.h"
#include "config/life/exports.h"
#include "config/options/exports.h"
#include "container/exports.h"
#include "limits/exports.h"

#include "base/own.h"

#include <stdio.h>
#include <stdlib.h>

/* A monitor lives as long as its container, and there may be thousands. */
static void shed_memory(struct prl_container *c)
{
    prl_spec_free(c->spec);
    free(c->json);
    c->spec = NULL;
    c->json = NULL;
}

/* One container in its monitor's hands. */
struct kept {
    struct prl_container *c;
    struct prl_policy policy;
    uint64_t pause_ns; /* before its last start by policy */
};

static int start(void *data, const struct prl_stdio *stdio, struct prl_child *ret,
                 struct prl_error *reterr)
{
    struct prl_container *c = ((struct kept *)data)->c;
    int r = c->spec ? 0 : prl_container_reload(c, reterr); /* not the first time */
    if (r == 0)
        r = prl_container_start(c, stdio, reterr);
    if (prl_request_options(c->request))
        prl_options_hide(prl_request_options(c->request));
    if (r < 0)
        return r;
    *ret = c->child; /* the monitor's from here on */
    c->child = (struct prl_child){.pid = -1, .pidfd = -1, .terminal_fd = -1};
    shed_memory(c);
    return 0;
}

static int finish(void *data, const struct prl_status *status, struct prl_error *reterr)
{
    struct prl_container *c = ((struct kept *)data)->c;
    if (prl_state_is_marked(c->state.dir_fd, ".", "freezer")) /* of a pause */
        (void)prl_state_remove_groups(c->state.id, c->state.path);
    return prl_container_finish(c, status, reterr);
}

static int fail(void *data, const struct prl_error *error, struct prl_error *reterr)
{
    return prl_container_fail(((struct kept *)data)->c, error, reterr);
}

/* Its policy may be another one since it was started (`update`). */
static void read_policy(struct kept *kept)
{
    char text[32];
    const char *wrong;
    _cleanup_free_ char *config = NULL;
    size_t len;
    kept->policy = (struct prl_policy){.kind = PRL_POLICY_NO};
    if (prl_state_read(kept->c->state.path, PRL_STATE_CONFIG, &config, &len) == 0 &&
        prl_state_note(config, len, "io.pyrootless.restart", text, sizeof text))
        (void)prl_policy_parse(text, &kept->policy, &wrong);
}

static int again(void *data, const struct prl_status *status, uint64_t *ret_pause_ns)
{
    struct kept *kept = data;
    struct prl_state *state = &kept->c->state;
    struct prl_error ignored;
    read_policy(kept);
    if (prl_state_is_marked(state->dir_fd, ".", "stopped") ||
        !prl_policy_again(&kept->policy, status, state->restarts))
        return 0;
    if (prl_container_record(kept->c, status, &ignored) < 0 ||
        prl_state_write_restarts(state, state->restarts + 1, &ignored) < 0)
        return 0;
    kept->pause_ns = prl_policy_pause_ns(kept->pause_ns, status->wall_ns);
    *ret_pause_ns = kept->pause_ns;
    return 1;
}

static struct prl_attach_options options_of(const struct prl_container *c)
{
    return (struct prl_attach_options){.interactive = c->request->interactive,
                                       .terminal = c->spec->process.terminal,
                                       .background = c->request->background,
                                       .leaves = c->request->leaves,
                                       .deaf = c->request->deaf,
                                       .no_signals = c->request->no_signals,
                                       .detach_keys = c->request->detach_keys,
                                       .name = c->state.name ? c->state.name : c->state.id,
                                       .wall_limit_ns = c->spec->wall_limit_ns,
                                       .finish = finish,
                                       .fail = fail,
                                       .again = c->state.remove ? NULL : again,
                                       .place = c->state.path,
                                       .dirs = c->dirs,
                                       .id = c->state.id,
                                       .place_fd = c->state.dir_fd,
                                       .log = c->spec->log,
                                       .image = c->request->template,
                                       .health = c->spec->health,
                                       .attributes = c->attributes};
}

int prl_run_kept(struct prl_container *c, struct prl_status *ret, struct prl_error *reterr)
{
    struct kept kept = {.c = c};
    struct prl_attach_options options = options_of(c);
    *ret = (struct prl_status){0};
    int r = options.background ? prl_cgroups_make_room(c->spec, reterr) : 0;
    if (r < 0) {
        struct prl_error second;
        (void)prl_container_fail(c, reterr, &second);
        return r;
    }
    r = prl_attach_run(&options, start, &kept, ret, reterr);
    if (r < 0 && ret->ended_by) { /* it ended; what comes after it failed */
        prl_cli_warn(reterr);
        return 0;
    }
    if (r == PRL_ATTACH_DETACHED)
        *ret = (struct prl_status){.ended_by = PRL_ENDED_EXIT};
    return r;
}
