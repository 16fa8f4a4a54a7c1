/* kept.c: `run -t` and `run -d`: one created container in the hands of its own monitor.
 * In: a created container.  Out: prl_status, or its id on standard output; the container is
 * finished, or goes on.
 * Never: the container's child in two hands; an answer before the program runs. */
#include "cli/attach/session.h"
#include "cli/verbs.h"
#include "config/options/exports.h"
#include "container/life.h"
#include "limits/exports.h"

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

static int start(void *data, const struct prl_stdio *stdio, struct prl_child *ret,
                 struct prl_error *reterr)
{
    struct prl_container *c = data;
    int r = prl_container_start(c, stdio, reterr);
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
    return prl_container_finish(data, status, reterr);
}

static struct prl_attach_options options_of(const struct prl_container *c)
{
    return (struct prl_attach_options){.interactive = c->request->interactive,
                                       .terminal = c->spec->process.terminal,
                                       .background = c->request->background,
                                       .no_signals = c->request->no_signals,
                                       .detach_keys = c->request->detach_keys,
                                       .name = c->state.name ? c->state.name : c->state.id,
                                       .wall_limit_ns = c->spec->wall_limit_ns,
                                       .finish = finish,
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
    struct prl_attach_options options = options_of(c);
    *ret = (struct prl_status){0};
    int r = options.background ? prl_cgroups_make_room(c->spec, reterr) : 0;
    if (r < 0) {
        struct prl_error second;
        (void)prl_container_finish(c, NULL, &second);
        return r;
    }
    r = prl_attach_run(&options, start, c, ret, reterr);
    if (r < 0 && ret->ended_by) { /* it ended; what comes after it failed */
        prl_cli_warn(reterr);
        return 0;
    }
    if (r == PRL_ATTACH_DETACHED)
        *ret = (struct prl_status){.ended_by = PRL_ENDED_EXIT};
    if (r == PRL_ATTACH_DETACHED && options.background)
        dprintf(1, "%s\n", c->state.id);
    return r < 0 ? r : 0;
}
