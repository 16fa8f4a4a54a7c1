/* errors.c: an error record in the words of the command line.
 * In: a filled record.  Out: lines on standard error, the exit status.  Never: another stream.
 */
#include "cli/verbs.h"

#include <stdio.h>
#include <unistd.h>

int prl_cli_fail(const struct prl_error *error)
{
    char text[4096];
    dprintf(STDERR_FILENO, "pyrootless: %s\n", prl_error_format(error, text, sizeof text));
    return prl_error_exit_code(error);
}

void prl_cli_warn(const struct prl_error *error)
{
    char text[4096];
    dprintf(STDERR_FILENO, "pyrootless: warning: %s\n",
            prl_error_format(error, text, sizeof text));
}
