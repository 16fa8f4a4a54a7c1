/* attach.c: `pyrootless attach`: the streams of a running container, from argv to its exit
 * status.
 * In: argv, a container with a monitor of its own.  Out: the container's exit status, 0 when it
 * was left.  Never: an interpreter; the end of the container when this process ends. */
#include "cli/attach/session.h"
#include "cli/verbs.h"
#include "config/options/exports.h"
#include "container/events/journal.h"
#include "container/monitor/exports.h"
#include "container/state/record.h"

#include "base/error.h"
#include "base/own.h"

#include <errno.h>

#include <stdio.h>
#include <string.h>

static void tell(const struct prl_dirs *dirs, const char *id, const char *attributes,
                 const char *action)
{
    const struct prl_event event = {
        .type = "container", .action = action, .id = id, .attributes = attributes};
    if (attributes)
        prl_journal_add(dirs, &event);
}

static int attach(const struct prl_options *o, struct prl_status *ret, struct prl_error *reterr)
{
    static struct prl_dirs dirs = {.data_fd = -1, .runtime_fd = -1};
    struct prl_running running;
    const char *proxied = prl_options_get(o, "sig-proxy");
    int r = prl_dirs_open(prl_options_get(o, "root"), &dirs, reterr);
    if (r == 0)
        r = prl_state_find(&dirs, o->image, &running, reterr);
    if (r < 0)
        return r;
    const struct prl_attach_options options = {.interactive = !prl_options_flag(o, "no-stdin"),
                                               .no_signals =
                                                   proxied && strcmp(proxied, "false") == 0,
                                               .detach_keys = prl_options_get(o, "detach-keys"),
                                               .name = o->image};
    if (running.life == PRL_LIFE_PAUSED)
        return prl_failf(reterr, PRL_STAGE_STATE, EBUSY, "attach",
                         "You cannot attach to a paused container, unpause it first");
    int fd = prl_attach_connect(&dirs, running.id, o->image, reterr);
    r = fd;
    if (fd >= 0) {
        _cleanup_free_ char *attributes = prl_journal_attributes_of(running.directory);
        tell(&dirs, running.id, attributes, "attach");
        r = prl_attach_join(&options, fd, ret, reterr);
        if (r == PRL_ATTACH_DETACHED)
            tell(&dirs, running.id, attributes, "detach");
    }
    prl_running_free(&running);
    return r;
}

int prl_attach_main(int argc, char **argv)
{
    struct prl_options options;
    struct prl_status status = {0};
    struct prl_error error;
    int r = prl_options_parse(PRL_VERB_ATTACH, argc - 2, argv + 2, &options, &error);
    if (r == 0 && options.help) {
        prl_options_print_help(PRL_VERB_ATTACH, stdout);
        return 0;
    }
    if (r == 0)
        r = attach(&options, &status, &error);
    if (r == PRL_ATTACH_DETACHED)
        return 0;
    return r < 0 ? prl_cli_fail(&error) : prl_status_exit_code(&status);
}
