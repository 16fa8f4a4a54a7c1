/* life.c: `pyrootless pause`, `unpause`, `rename`, `update`: what is changed of a container
 * that is there, from argv to the exit status. In: argv: names and ids.  Out: what was named, a
 * line each. Never: an interpreter, a stop at the first failure. */
#include "cli/verbs.h"
#include "config/life/exports.h"
#include "config/options/exports.h"
#include "container/exports.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct change {
    struct prl_options options;
    struct prl_dirs dirs;
};

static int change_spec(struct prl_spec *spec, const void *asked, struct prl_error *reterr)
{
    return prl_config_update(spec, asked, reterr);
}

static int change_one(const struct change *change, const char *name, struct prl_error *reterr)
{
    switch (change->options.verb) {
    case PRL_VERB_PAUSE:
        return prl_container_pause(&change->dirs, name, reterr);
    case PRL_VERB_UNPAUSE:
        return prl_container_unpause(&change->dirs, name, reterr);
    default:
        return prl_container_update(&change->dirs, name, change_spec, &change->options, reterr);
    }
}

static int change_named(const struct change *change, const char *name)
{
    struct prl_error error;
    if (change_one(change, name, &error) < 0) {
        (void)prl_cli_fail(&error);
        return 1;
    }
    dprintf(1, "%s\n", name);
    return 0;
}

/* As docker's it prints nothing. */
static int rename_one(const struct change *change, struct prl_error *reterr)
{
    const struct prl_options *o = &change->options;
    if (!o->args[0] || o->args[1])
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "CONTAINER",
                         "\"pyrootless rename\" takes a container and its new name");
    return prl_state_rename(&change->dirs, o->image, o->args[0], reterr);
}

static int change_all(const struct change *change, struct prl_error *reterr)
{
    const struct prl_options *o = &change->options;
    bool rooted = prl_options_get(o, "root") != NULL;
    if (o->verb == PRL_VERB_UPDATE && o->values_len == (rooted ? 1u : 0u))
        return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "OPTION",
                         "you must provide one or more flags when using this command");
    int failed = change_named(change, o->image);
    for (char **name = o->args; *name; name++)
        failed |= change_named(change, *name);
    return failed;
}

static unsigned verb_of(const char *word)
{
    static const unsigned verbs[] = {PRL_VERB_PAUSE, PRL_VERB_UNPAUSE, PRL_VERB_RENAME};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(prl_verb_name(verbs[i]), word) == 0)
            return verbs[i];
    return PRL_VERB_UPDATE;
}

int prl_change_main(int argc, char **argv)
{
    static struct change change = {.dirs = {.data_fd = -1, .runtime_fd = -1}};
    const struct prl_options *o = &change.options;
    const unsigned verb = verb_of(argv[1]);
    struct prl_error error;
    int r = prl_options_parse(verb, argc - 2, argv + 2, &change.options, &error);
    if (r == 0 && o->help) {
        prl_options_print_help(verb, stdout);
        return 0;
    }
    if (r == 0)
        r = prl_dirs_open(prl_options_get(o, "root"), &change.dirs, &error);
    if (r == 0)
        r = verb == PRL_VERB_RENAME ? rename_one(&change, &error) : change_all(&change, &error);
    return r < 0 ? prl_cli_fail(&error) : r;
}
