/* main.c: the door `pyrootless`: which verb, and who serves it.
 * In: argv.  Out: the exit status.  Never: a verb's own work; running with borrowed rights. */
#include "cli/python.h"
#include "cli/streams.h"
#include "cli/verbs.h"

#include "base/error.h"
#include "fakeroot/exports.h"
#include "network/egress/filter.h"
#include "userns/holder/exports.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* `--root DIR` before the verb is PYROOTLESS_ROOT.  Returns how many words it took. */
static int take_root(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--root") == 0) {
        setenv("PYROOTLESS_ROOT", argv[2], 1);
        return 2;
    }
    if (argc > 1 && strncmp(argv[1], "--root=", 7) == 0) {
        setenv("PYROOTLESS_ROOT", argv[1] + 7, 1);
        return 1;
    }
    return 0;
}

/* The whole tool is made to need no privilege; with a setuid bit or file capabilities every
 * check of the kernel's would be made for somebody else. */
static bool has_borrowed_privileges(void)
{
    return getauxval(AT_SECURE) || getuid() != geteuid() || getgid() != getegid();
}

/* The verbs that need no interpreter. */
static const struct {
    char name[12];
    int (*serve)(int argc, char **argv);
} verbs[] = {
    {"run", prl_run_main},         {"create", prl_run_main},    {"start", prl_start_main},
    {"restart", prl_start_main},   {"pause", prl_change_main},  {"unpause", prl_change_main},
    {"rename", prl_change_main},   {"update", prl_change_main}, {"exec", prl_exec_main},
    {"attach", prl_attach_main},   {"wait", prl_wait_main},     {"logs", prl_logs_main},
    {"unshare", prl_unshare_main},
};

int main(int argc, char **argv)
{
    struct prl_error error;
    /* A caller that ignores SIGCHLD would have the kernel throw the container's status away. */
    signal(SIGCHLD, SIG_DFL);
    int r = has_borrowed_privileges()
                ? prl_fail_with(&error, PRL_STAGE_HOST, EPERM, "getauxval", "AT_SECURE")
                : prl_streams_fill(&error);
    if (r < 0)
        return prl_cli_fail(&error);
    int taken = take_root(argc, argv);
    argv[taken] = argv[0];
    argc -= taken;
    argv += taken;
    if (argc > 1 && strcmp(argv[1], "_fakeroot") == 0) /* launch/serve/fakeroot.c started us */
        return prl_fake_main(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "_holder") == 0) /* userns/holder/start.c started us */
        return prl_holder_main(argv + 2);
    if (argc > 5 && strcmp(argv[1], "_egress-filter") ==
                        0) /* launch/serve/egress.c, launch/serve/network.c */
        return prl_egress_main(argv + 2);
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].serve(argc, argv);
    prl_python_exec(argc, argv, &error);
    return prl_cli_fail(&error);
}
