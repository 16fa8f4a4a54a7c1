/* unshare.c: `pyrootless unshare`: a program in a user namespace of the caller's ids, in the
 * caller's own file system, for looking at and removing what containers left on disk.
 * In: argv, the ids this machine grants.  Out: this process becomes the program.
 * Never: an image, a container, a process that stays: a helper writes the maps and is gone.
 *
 * Source: unshare(2), user_namespaces(7). */
#include "cli/verbs.h"

#include "userns/exports.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "Usage: pyrootless unshare [--map range|single] [--] [PROGRAM [ARGUMENT…]]\n\n"
    "Run a program (default: $SHELL) as root of a new user namespace, in your own file "
    "system:\n"
    "files that containers wrote under other ids can be looked at and removed.\n\n"
    "  --map range    your id is 0, your subordinate ids are 1 … (default when there are any)\n"
    "  --map single   your id is 0, and no other exists\n"
    "  --help         print this\n";

struct unshare {
    const char *map; /* NULL: as it can be */
    char **program;
    bool help;
};

static int fail_usage(struct prl_error *reterr, const char *word)
{
    return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "unshare",
                     "\"%.60s\" is not taken: write pyrootless unshare [--map range|single] "
                     "[--] [PROGRAM [ARGUMENT…]]",
                     word);
}

static int parse(char **word, struct unshare *ret, struct prl_error *reterr)
{
    for (; *word && (*word)[0] == '-'; word++) {
        if (strcmp(*word, "--") == 0) {
            word++;
            break;
        }
        if (strcmp(*word, "--help") == 0 || strcmp(*word, "-h") == 0)
            ret->help = true;
        else if (strncmp(*word, "--map=", 6) == 0)
            ret->map = *word + 6;
        else if (strcmp(*word, "--map") == 0 && word[1])
            ret->map = *++word;
        else
            return fail_usage(reterr, *word);
    }
    if (ret->map && strcmp(ret->map, "range") != 0 && strcmp(ret->map, "single") != 0)
        return fail_usage(reterr, ret->map);
    ret->program = word;
    return 0;
}

struct maps {
    struct prl_idmap uids[PRL_IDMAP_ROWS], gids[PRL_IDMAP_ROWS];
    struct prl_mapping mapping;
};

static int choose_maps(const char *asked, struct maps *ret, struct prl_error *reterr)
{
    struct prl_ids uids = {.len = 0}, gids = {.len = 0};
    bool range = !asked || strcmp(asked, "range") == 0;
    int r = range ? prl_ids_granted(&uids, &gids) : 0;
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, -r, "read", "/etc/subuid, /etc/subgid");
    bool granted = uids.len > 0 && gids.len > 0;
    if (asked && range && !granted)
        return prl_failf(reterr, PRL_STAGE_IDMAP, ERANGE, "--map",
                         "range needs subordinate ids, and this user has none");
    if (!granted || (!asked && !prl_mapping_is_possible()))
        uids.len = gids.len = 0;
    ret->mapping = (struct prl_mapping){.uids = ret->uids, .gids = ret->gids};
    ret->mapping.uids_len = prl_ids_map(PRL_IDS_MAP_RANGE, geteuid(), &uids, ret->uids);
    ret->mapping.gids_len = prl_ids_map(PRL_IDS_MAP_RANGE, getegid(), &gids, ret->gids);
    return 0;
}

static int execute(char **program, struct prl_error *reterr)
{
    const char *shell = getenv("SHELL");
    char *const fallback[] = {(char *)(shell && *shell ? shell : "/bin/sh"), NULL};
    char *const *argv = *program ? program : fallback;
    setenv("PYROOTLESS_UNSHARED", "1", 1);
    execvp(argv[0], argv);
    return prl_fail(reterr, PRL_STAGE_EXEC, "execve", argv[0]);
}

int prl_unshare_main(int argc, char **argv)
{
    struct prl_error error;
    struct unshare what = {.help = false};
    struct maps maps;
    (void)argc;
    int r = parse(argv + 2, &what, &error);
    if (r == 0 && what.help) {
        fputs(usage, stdout);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (r == 0)
        r = choose_maps(what.map, &maps, &error);
    if (r == 0)
        r = prl_mapping_enter(CLONE_NEWUSER | CLONE_NEWNS, &maps.mapping, &error);
    if (r == 0)
        execute(what.program, &error);
    return prl_cli_fail(&error);
}
