/* unshare.c: `pyrootless unshare`: a program in a user namespace of the caller's ids, in the
 * caller's own file system, for looking at and removing what containers left on disk.
 * In: argv, the ids this machine grants.  Out: this process becomes the program.
 * Never: an image, a container, a process that stays: a helper writes the maps and is gone.
 *
 * Source: unshare(2), user_namespaces(7). */
#include "cli/cli.h"

#include "base/ids.h"
#include "base/mapping.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

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

/* The helper: when the namespace is there, write its maps from outside, and say how it went. */
static void serve(pid_t pid, const struct prl_mapping *maps, int start_fd, int report_fd)
{
    struct prl_error error;
    char byte;
    memset(&error, 0, sizeof error);
    if (read(start_fd, &byte, 1) == 1) {
        prl_mapping_write(pid, maps, &error);
        _exit(write(report_fd, &error, sizeof error) == sizeof error ? 0 : 1);
    }
    _exit(1);
}

static int read_report(int report_fd, struct prl_error *reterr)
{
    struct prl_error error;
    ssize_t n;
    do
        n = read(report_fd, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof error)
        return prl_fail_with(reterr, PRL_STAGE_IDMAP, EIO, "read",
                             "the helper died before it could say why");
    if (error.errnum)
        *reterr = error;
    return -error.errnum;
}

/* Move this process into the new namespaces, while a child stays behind to write the maps. */
static int enter(const struct prl_mapping *maps, struct prl_error *reterr)
{
    int start[2], report[2];
    if (pipe2(start, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "pipe2", "unshare");
    _cleanup_close_ int start_reader = start[0], start_writer = start[1];
    if (pipe2(report, O_CLOEXEC) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "pipe2", "unshare");
    _cleanup_close_ int report_reader = report[0], report_writer = report[1];
    pid_t self = getpid(), pid = fork();
    if (pid < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "fork", "unshare");
    if (pid == 0) {
        prl_close_p(&start_writer);
        serve(self, maps, start_reader, report_writer);
    }
    prl_close_p(&report_writer);
    int r = unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0
                ? prl_fail(reterr, PRL_STAGE_CLONE, "unshare", "user and mount namespaces")
                : 0;
    if (r == 0 && write(start_writer, "", 1) != 1)
        r = prl_fail(reterr, PRL_STAGE_IDMAP, "write", "start of the helper");
    prl_close_p(&start_writer);
    if (r == 0)
        r = read_report(report_reader, reterr);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return r;
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
        r = enter(&maps.mapping, &error);
    if (r == 0)
        execute(what.program, &error);
    return prl_cli_fail(&error);
}
