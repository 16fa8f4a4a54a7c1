/* names.c: the names of limits, of what enforces them and of controllers; see names.h.
 * In: numbers or names.  Out: the other.  Never: a choice.
 * Source of the controllers' names: cgroups(7). */
#include "limits/names.h"

#include <string.h>

static const struct {
    char name[20], option[24];
} limits[PRL_LIMITS] = {
    [PRL_LIMIT_MEMORY] = {"memory", "--memory"},
    [PRL_LIMIT_SWAP] = {"memory-swap", "--memory-swap"},
    [PRL_LIMIT_RESERVATION] = {"memory-reservation", "--memory-reservation"},
    [PRL_LIMIT_CPUS] = {"cpus", "--cpus"},
    [PRL_LIMIT_SHARES] = {"cpu-shares", "--cpu-shares"},
    [PRL_LIMIT_CPUSET] = {"cpuset", "--cpuset-cpus"},
    [PRL_LIMIT_PIDS] = {"pids", "--pids-limit"},
    [PRL_LIMIT_IO] = {"io", "--io-max"},
    [PRL_LIMIT_STORAGE] = {"storage", "--storage-size"},
    [PRL_LIMIT_CPU_TIME] = {"cpu-time", "--cpu-time"},
};

static const char enforcements[PRL_ENFORCEMENTS][16] = {
    [PRL_BY_UNSET] = "",
    [PRL_BY_CGROUP2] = "cgroup2",
    [PRL_BY_CGROUP1] = "cgroup1",
    [PRL_BY_TMPFS] = "tmpfs",
    [PRL_BY_NPROC] = "rlimit-nproc",
    [PRL_BY_FSIZE] = "rlimit-fsize",
    [PRL_BY_CLOCK] = "perf-clock",
    [PRL_BY_AFFINITY] = "affinity",
    [PRL_BY_WATCHDOG] = "watchdog",
    [PRL_BY_NONE] = "none",
};

static const struct {
    unsigned bit;
    char name[8], name1[8];
} controllers[] = {
    {PRL_CONTROL_MEMORY, "memory", "memory"}, {PRL_CONTROL_PIDS, "pids", "pids"},
    {PRL_CONTROL_CPU, "cpu", "cpu"},          {PRL_CONTROL_CPUSET, "cpuset", "cpuset"},
    {PRL_CONTROL_IO, "io", "blkio"},          {PRL_CONTROL_CPUACCT, "cpuacct", "cpuacct"},
    {PRL_CONTROL_OTHER, "other", "other"},
};

const char *prl_limit_name(unsigned limit)
{
    return limit < PRL_LIMITS ? limits[limit].name : "";
}

const char *prl_limit_option(unsigned limit)
{
    return limit < PRL_LIMITS ? limits[limit].option : "";
}

const char *prl_enforcement_name(unsigned enforcement)
{
    return enforcement < PRL_ENFORCEMENTS ? enforcements[enforcement] : "";
}

const char *prl_exactness_name(unsigned enforcement, bool weak)
{
    static const char words[PRL_ENFORCEMENTS][12] = {
        [PRL_BY_CGROUP1] = "changeable",  [PRL_BY_NPROC] = "each",
        [PRL_BY_FSIZE] = "each",          [PRL_BY_CLOCK] = "late",
        [PRL_BY_AFFINITY] = "changeable", [PRL_BY_WATCHDOG] = "late",
        [PRL_BY_NONE] = "none",
    };
    if (enforcement == PRL_BY_UNSET || enforcement >= PRL_ENFORCEMENTS)
        return "";
    return weak && *words[enforcement] ? words[enforcement] : "exact";
}

enum prl_enforcement prl_enforcement_find(const char *name)
{
    for (unsigned i = PRL_BY_UNSET + 1; i < PRL_ENFORCEMENTS; i++)
        if (strcmp(enforcements[i], name) == 0)
            return (enum prl_enforcement)i;
    return PRL_BY_UNSET;
}

static bool is_word(const char *word, const char *text, size_t len)
{
    return strlen(word) == len && memcmp(word, text, len) == 0;
}

/* "memory" → PRL_CONTROL_MEMORY, "blkio" and "io" → PRL_CONTROL_IO; 0: none of ours. */
static unsigned find_controller(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++)
        if (is_word(controllers[i].name, name, len) || is_word(controllers[i].name1, name, len))
            return controllers[i].bit;
    return 0;
}

const char *prl_controller_name(unsigned controller, bool version2)
{
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++)
        if (controllers[i].bit == controller)
            return version2 ? controllers[i].name : controllers[i].name1;
    return "";
}

unsigned prl_controllers_parse(const char *text, const char *separators)
{
    unsigned found = 0;
    while (*text) {
        size_t len = strcspn(text, separators);
        found |= find_controller(text, len);
        text += len;
        text += strspn(text, separators);
    }
    return found;
}
