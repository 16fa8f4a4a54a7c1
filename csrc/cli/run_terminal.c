/* run_terminal.c: `run -t`: the attached front around one created container.
 * In: a created container.  Out: prl_status; the container is finished.
 * Never: the container's child in two hands. */
#include "cli/attach.h"
#include "cli/cli.h"
#include "cli/container.h"

static int start(void *data, struct prl_child *ret, struct prl_error *reterr)
{
    struct prl_container *c = data;
    struct prl_stdio none = {.fds = {-1, -1, -1}};
    int r = prl_container_start(c, &none, reterr);
    prl_options_hide(c->options);
    if (r < 0)
        return r;
    *ret = c->child; /* the monitor's from here on */
    c->child = (struct prl_child){.pid = -1, .pidfd = -1, .terminal_fd = -1};
    return 0;
}

static int finish(void *data, const struct prl_status *status, struct prl_error *reterr)
{
    return prl_container_finish(data, status, reterr);
}

int prl_run_terminal(struct prl_container *container, struct prl_status *ret,
                     struct prl_error *reterr)
{
    const struct prl_options *o = container->options;
    struct prl_attach_options options = {.interactive = prl_options_flag(o, "interactive"),
                                         .detach_keys = prl_options_get(o, "detach-keys"),
                                         .name = container->state.name ? container->state.name
                                                                       : container->state.id,
                                         .wall_limit_ns = container->spec->wall_limit_ns,
                                         .finish = finish};
    *ret = (struct prl_status){0};
    int r = prl_attach_run(&options, start, container, ret, reterr);
    if (r < 0 && ret->ended_by) { /* it ended; what comes after it failed */
        prl_cli_warn(reterr);
        return 0;
    }
    if (r == PRL_ATTACH_DETACHED)
        *ret = (struct prl_status){.ended_by = PRL_ENDED_EXIT};
    return r < 0 ? r : 0;
}
