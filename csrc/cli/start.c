/* start.c: `pyrootless start` and `restart`: containers that were made before, from argv to the
 * exit status. In: argv: names and ids.  Out: what was named, a line each; with -a or -i the
 * container's streams here, and its exit status. Never: an interpreter, a stop at the first
 * failure. */
#include "cli/attach/session.h"
#include "cli/verbs.h"
#include "config/options/exports.h"
#include "container/exports.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct start {
    struct prl_options options;
    struct prl_dirs dirs;
    bool attached;
};

static void ask(const struct start *start, struct prl_request *ret)
{
    const struct prl_options *o = &start->options;
    const char *proxied = prl_options_get(o, "sig-proxy");
    *ret = (struct prl_request){
        .background = !start->attached,
        .leaves = true,
        .deaf = !prl_options_flag(o, "interactive"),
        .no_signals = proxied && strcmp(proxied, "false") == 0,
        .detach_keys = prl_options_get(o, "detach-keys"),
    };
}

/* It runs already: with -a it is attached to. */
static int join(const struct start *start, const struct prl_container *c,
                struct prl_status *ret, struct prl_error *reterr)
{
    if (!start->attached)
        return PRL_ATTACH_DETACHED;
    const struct prl_attach_options options = {
        .interactive = true,
        .deaf = c->request->deaf,
        .no_signals = c->request->no_signals,
        .detach_keys = c->request->detach_keys,
        .name = c->state.name ? c->state.name : c->state.id,
    };
    int fd = prl_attach_connect(&start->dirs, c->state.id, options.name, reterr);
    return fd < 0 ? fd : prl_attach_join(&options, fd, ret, reterr);
}

/* 0: it ended, *ret is filled; PRL_ATTACH_DETACHED: it runs. */
static int start_one(const struct start *start, const char *name, struct prl_status *ret,
                     struct prl_error *reterr)
{
    struct prl_request request;
    struct prl_container container = {.dirs = NULL};
    ask(start, &request);
    prl_container_begin(&container, &start->dirs, &request);
    int r = prl_container_retake(&container, name, &request, reterr);
    if (r == 1)
        r = join(start, &container, ret, reterr);
    else if (r == 0)
        r = prl_run_kept(&container, ret, reterr);
    prl_container_free(&container);
    return r;
}

/* `restart`: stopped first, in the time and by the signal that are named. */
static int stop_first(const struct start *start, const char *name, struct prl_error *reterr)
{
    const char *signal = prl_options_get(&start->options, "signal");
    const char *seconds = prl_options_get(&start->options, "time");
    struct prl_stop how = {.signal = 0,
                           .seconds = seconds ? (int)strtol(seconds, NULL, 10) : PRL_STOP_OWN};
    if (start->options.verb != PRL_VERB_RESTART)
        return 0;
    int r = signal ? prl_value_signal("--signal", signal, &how.signal, reterr) : 0;
    return r < 0 ? r : prl_container_stop(&start->dirs, name, &how, reterr);
}

static int start_named(const struct start *start, const char *name)
{
    struct prl_status status;
    struct prl_error error;
    int r = stop_first(start, name, &error);
    if (r == 0)
        r = start_one(start, name, &status, &error);
    if (r < 0) {
        (void)prl_cli_fail(&error);
        return 1;
    }
    dprintf(1, "%s\n", name);
    return 0;
}

static int start_each(const struct start *start)
{
    int failed = start_named(start, start->options.image);
    for (char **name = start->options.args; *name; name++)
        failed |= start_named(start, *name);
    return failed;
}

static int start_attached(const struct start *start, struct prl_error *reterr)
{
    struct prl_status status = {0};
    if (start->options.args[0])
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "CONTAINER",
                         "you cannot start and attach multiple containers at once");
    int r = start_one(start, start->options.image, &status, reterr);
    if (r == PRL_ATTACH_DETACHED)
        return 0;
    return r < 0 ? r : prl_status_exit_code(&status);
}

int prl_start_main(int argc, char **argv)
{
    struct prl_error error;
    static struct start start = {.dirs = {.data_fd = -1, .runtime_fd = -1}};
    const struct prl_options *o = &start.options;
    unsigned verb = strcmp(argv[1], "restart") == 0 ? PRL_VERB_RESTART : PRL_VERB_START;
    int r = prl_options_parse(verb, argc - 2, argv + 2, &start.options, &error);
    if (r == 0 && o->help) {
        prl_options_print_help(verb, stdout);
        return 0;
    }
    if (r == 0)
        r = prl_dirs_open(prl_options_get(o, "root"), &start.dirs, &error);
    if (r < 0)
        return prl_cli_fail(&error);
    start.attached = prl_options_flag(o, "attach") || prl_options_flag(o, "interactive");
    if (!start.attached)
        return start_each(&start);
    r = start_attached(&start, &error);
    return r < 0 ? prl_cli_fail(&error) : r;
}
