/* wait.c: `pyrootless wait`: until containers have ended, from argv to their exit
 * statuses. In: argv: names and ids.  Out: a line each; 0, or 1 when one of them could not be
 * waited for. Never: an interpreter, a stop at the first failure. */
#include "cli/verbs.h"
#include "config/options/exports.h"
#include "container/monitor/exports.h"
#include "container/state/record.h"

#include <stdio.h>

static int wait_for(const struct prl_dirs *dirs, const char *name)
{
    struct prl_status status;
    struct prl_error error;
    if (prl_container_wait(dirs, name, &status, &error) < 0) {
        (void)prl_cli_fail(&error);
        return 1;
    }
    dprintf(1, "%d\n", prl_status_exit_code(&status));
    return 0;
}

int prl_wait_main(int argc, char **argv)
{
    static struct prl_dirs dirs = {.data_fd = -1, .runtime_fd = -1};
    struct prl_options options;
    struct prl_error error;
    int r = prl_options_parse(PRL_VERB_WAIT, argc - 2, argv + 2, &options, &error);
    if (r == 0 && options.help) {
        prl_options_print_help(PRL_VERB_WAIT, stdout);
        return 0;
    }
    if (r == 0)
        r = prl_dirs_open(prl_options_get(&options, "root"), &dirs, &error);
    if (r < 0)
        return prl_cli_fail(&error);
    int failed = wait_for(&dirs, options.image);
    for (char **name = options.args; *name; name++)
        failed |= wait_for(&dirs, *name);
    return failed;
}
