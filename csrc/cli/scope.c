/* scope.c: asking systemd for control groups.
 * In: the limits asked for, what is delegated already.  Out: this launcher again, in a scope of
 * its own with Delegate=yes; or nothing, and the ladder goes on with what there is. Never: a
 * second try; a scope that outlives its container: systemd removes it when it is empty.
 *
 * A process may only enter a group when it may write the nearest common one, which in a login
 * session is root's: systemd alone can move it.  `systemd-run --scope` asks for that and then
 * executes the program in its own place: same process, same streams.
 * Source: systemd-run(1), systemd.resource-control(5), "Delegate=". */
#include "cli/scope.h"

#include "base/error.h"
#include "base/helper.h"
#include "base/own.h"
#include "cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define SCOPED "PYROOTLESS_SCOPED"

static const struct {
    const char *option;
    unsigned controller;
} needs[] = {
    {"memory", PRL_CONTROL_MEMORY},        {"memory-reservation", PRL_CONTROL_MEMORY},
    {"pids-limit", PRL_CONTROL_PIDS},      {"cpus", PRL_CONTROL_CPU},
    {"cpu-quota", PRL_CONTROL_CPU},        {"cpu-shares", PRL_CONTROL_CPU},
    {"cpuset-cpus", PRL_CONTROL_CPUSET},   {"device-read-bps", PRL_CONTROL_IO},
    {"device-write-bps", PRL_CONTROL_IO},  {"device-read-iops", PRL_CONTROL_IO},
    {"device-write-iops", PRL_CONTROL_IO},
};

static unsigned needed(const struct prl_options *options, const struct prl_spec *spec)
{
    static const unsigned of_limit[PRL_LIMITS] = {
        [PRL_LIMIT_MEMORY] = PRL_CONTROL_MEMORY, [PRL_LIMIT_RESERVATION] = PRL_CONTROL_MEMORY,
        [PRL_LIMIT_CPUS] = PRL_CONTROL_CPU,      [PRL_LIMIT_SHARES] = PRL_CONTROL_CPU,
        [PRL_LIMIT_CPUSET] = PRL_CONTROL_CPUSET, [PRL_LIMIT_PIDS] = PRL_CONTROL_PIDS,
        [PRL_LIMIT_IO] = PRL_CONTROL_IO,
    };
    unsigned all = 0;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (prl_options_get(options, needs[i].option))
            all |= needs[i].controller;
    for (unsigned i = 0; spec && i < PRL_LIMITS; i++)
        if (spec->resources.asked & (1u << i))
            all |= of_limit[i];
    return all;
}

static unsigned delegated(void)
{
    struct prl_cgroup_host host;
    struct prl_error ignored; /* the launch itself looks again and says it */
    unsigned all = 0;
    if (prl_cgroup_look("/proc", &host, &ignored) < 0)
        return UINT_MAX;
    for (size_t i = 0; i < host.len; i++)
        all |= host.bases[i].controllers;
    prl_cgroup_host_free(&host);
    return all;
}

/* The user's manager, or root's own. */
static bool has_manager(void)
{
    char path[PATH_MAX];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        return access("/run/systemd/private", F_OK) == 0;
    int n = runtime ? snprintf(path, sizeof path, "%s/systemd/private", runtime) : 0;
    return n > 0 && n < PATH_MAX && access(path, W_OK) == 0;
}

static void execute(char **argv)
{
    char program[64], self[PATH_MAX];
    size_t argc = 0, n = 0;
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0 || !prl_helper_find("systemd-run", program))
        return;
    self[len] = '\0';
    while (argv[argc])
        argc++;
    _cleanup_free_ char **words = calloc(argc + 12, sizeof *words);
    if (!words || setenv(SCOPED, "1", 1) < 0)
        return;
    words[n++] = program;
    words[n++] = geteuid() == 0 ? "--system" : "--user";
    words[n++] = "--scope";
    words[n++] = "--quiet";
    words[n++] = "--collect";
    words[n++] = "--property=Delegate=yes";
    words[n++] = "--description=pyrootless container";
    words[n++] = "--";
    words[n++] = self;
    for (size_t i = 1; i < argc; i++)
        words[n++] = argv[i];
    execv(program, words);
}

void prl_scope_enter(const struct prl_options *options, const struct prl_spec *spec,
                     char **argv)
{
    unsigned wanted = needed(options, spec);
    bool scoped = getenv(SCOPED) != NULL;
    unsetenv(SCOPED);
    if (wanted == 0 || scoped || !has_manager() || (wanted & ~delegated()) == 0)
        return;
    execute(argv);
    unsetenv(SCOPED);
}
