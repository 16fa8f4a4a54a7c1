/* names.c: values that are names out of a list of the kernel's: signals, limits,
 * capabilities, sysctls.
 * In: option and text.  Out: the number or the kernel's own name.  Never: a file, a default. */
#include "config/options/values.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BAD(option, ...) prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, option, __VA_ARGS__)

enum {
    SIGNAL_RTMIN = 34,
    SIGNAL_RTMAX = 64
}; /* the kernel's: a C library hides the first ones */

/* Index is the number; the numbers of x86, arm, riscv, ppc and s390 (signal(7)). */
static const char signal_names[][8] = {
    "",     "HUP",  "INT",  "QUIT", "ILL",    "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
    "SEGV", "USR2", "PIPE", "ALRM", "TERM",   "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
    "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS",
};

/* "3" after "RTMIN+" → 3; -1: not a small number. */
static int small_number(const char *text)
{
    int number = 0;

    if (!*text || strlen(text) > 3)
        return -1;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return -1;
        number = number * 10 + (*text - '0');
    }
    return number;
}

static int signal_number(const char *text)
{
    if (isdigit((unsigned char)*text))
        return small_number(text);
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 1; i < sizeof signal_names / sizeof *signal_names; i++)
        if (strcasecmp(text, signal_names[i]) == 0)
            return (int)i;
    if (strcasecmp(text, "POLL") == 0)
        return 29;
    if (strcasecmp(text, "RTMIN") == 0)
        return SIGNAL_RTMIN;
    if (strcasecmp(text, "RTMAX") == 0)
        return SIGNAL_RTMAX;
    int away = strlen(text) > 6 ? small_number(text + 6) : -1;
    if (strncasecmp(text, "RTMIN+", 6) == 0 && away >= 0 && away <= SIGNAL_RTMAX - SIGNAL_RTMIN)
        return SIGNAL_RTMIN + away;
    if (strncasecmp(text, "RTMAX-", 6) == 0 && away >= 0 && away <= SIGNAL_RTMAX - SIGNAL_RTMIN)
        return SIGNAL_RTMAX - away;
    return -1;
}

int prl_value_signal(const char *option, const char *text, int *ret_signal,
                     struct prl_error *reterr)
{
    int number = signal_number(text);

    if (number < 1 || number > SIGNAL_RTMAX)
        return BAD(option,
                   "\"%.60s\" is not a signal: write a name or a number from 1 to 64, as "
                   "in %s=TERM",
                   text, option);
    *ret_signal = number;
    return 0;
}

static const struct {
    char name[12], type[20];
} ulimit_names[] = {
    {"as", "RLIMIT_AS"},
    {"core", "RLIMIT_CORE"},
    {"cpu", "RLIMIT_CPU"},
    {"data", "RLIMIT_DATA"},
    {"fsize", "RLIMIT_FSIZE"},
    {"locks", "RLIMIT_LOCKS"},
    {"memlock", "RLIMIT_MEMLOCK"},
    {"msgqueue", "RLIMIT_MSGQUEUE"},
    {"nice", "RLIMIT_NICE"},
    {"nofile", "RLIMIT_NOFILE"},
    {"nproc", "RLIMIT_NPROC"},
    {"rss", "RLIMIT_RSS"},
    {"rtprio", "RLIMIT_RTPRIO"},
    {"rttime", "RLIMIT_RTTIME"},
    {"sigpending", "RLIMIT_SIGPENDING"},
    {"stack", "RLIMIT_STACK"},
};

/* "1024", "-1", "unlimited"; len bytes of text. */
static bool ulimit_number(const char *text, size_t len, uint64_t *ret)
{
    uint64_t number = 0;

    if ((len == 2 && memcmp(text, "-1", 2) == 0) ||
        (len == 9 && memcmp(text, "unlimited", 9) == 0)) {
        *ret = UINT64_MAX;
        return true;
    }
    if (len == 0 || len > 18)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    *ret = number;
    return true;
}

int prl_value_ulimit(const char *option, const char *text, struct prl_value_ulimit *ret,
                     struct prl_error *reterr)
{
    size_t name_len = strcspn(text, "=");
    const char *soft = text + name_len + (text[name_len] == '=');
    size_t soft_len = strcspn(soft, ":");
    const char *hard = soft[soft_len] ? soft + soft_len + 1 : soft;

    *ret = (struct prl_value_ulimit){0};
    for (size_t i = 0; i < sizeof ulimit_names / sizeof *ulimit_names; i++)
        if (strlen(ulimit_names[i].name) == name_len &&
            strncasecmp(text, ulimit_names[i].name, name_len) == 0)
            ret->type = ulimit_names[i].type;
    if (!ret->type)
        return BAD(option,
                   "\"%.40s\" names no limit: use core, cpu, data, fsize, memlock, nofile, "
                   "nproc, stack, …, as in %s nofile=1024:4096",
                   text, option);
    if (!ulimit_number(soft, soft_len, &ret->soft) ||
        !ulimit_number(hard, strlen(hard), &ret->hard))
        return BAD(option,
                   "\"%.60s\" is not NAME=SOFT[:HARD]: write numbers or \"unlimited\", as "
                   "in %s nofile=1024:4096",
                   text, option);
    if (ret->soft > ret->hard)
        return BAD(option, "the soft limit of \"%.60s\" is above its hard limit: swap them",
                   text);
    return 0;
}

int prl_value_capability(const char *option, const char *text, uint64_t *ret_mask,
                         struct prl_error *reterr)
{
    if (strcasecmp(text, "ALL") == 0) {
        *ret_mask = PRL_VALUE_CAPS_ALL;
        return 0;
    }
    const char *bare = strncasecmp(text, "CAP_", 4) == 0 ? text + 4 : text;
    const char *name;
    for (unsigned i = 0; (name = prl_spec_capability_name(i)); i++) {
        if (strcasecmp(bare, name + strlen("CAP_")) == 0) {
            *ret_mask = 1ULL << i;
            return 0;
        }
    }
    return BAD(option,
               "\"%.60s\" is not a capability: use a name of capabilities(7), as in "
               "%s=NET_ADMIN, or ALL",
               text, option);
}

/* Sysctls of the ipc namespace; the whole key, or a prefix when it ends with a dot. */
static const char ipc_sysctls[][24] = {
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",          "kernel.sem", "kernel.shmall",
    "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "fs.mqueue.",
};

static bool is_ipc_sysctl(const char *key, size_t len)
{
    for (size_t i = 0; i < sizeof ipc_sysctls / sizeof *ipc_sysctls; i++) {
        const char *row = ipc_sysctls[i];
        size_t row_len = strlen(row);
        bool prefix = row[row_len - 1] == '.';
        if ((prefix ? len > row_len : len == row_len) && strncmp(key, row, row_len) == 0)
            return true;
    }
    return false;
}

static bool is_sysctl_key(const char *key, size_t len)
{
    if (len == 0 || key[0] == '.' || key[len - 1] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if ((!isalnum((unsigned char)key[i]) && !strchr("._-", key[i])) ||
            (key[i] == '.' && key[i + 1] == '.'))
            return false;
    return true;
}

int prl_value_sysctl(const char *option, const char *text, bool own_network,
                     struct prl_value_sysctl *ret, struct prl_error *reterr)
{
    size_t len = strcspn(text, "=");

    if (text[len] != '=' || !is_sysctl_key(text, len))
        return BAD(option,
                   "\"%.60s\" is not KEY=VALUE: write for example "
                   "%s net.core.somaxconn=1024",
                   text, option);
    bool network = strncmp(text, "net.", 4) == 0;
    if (network && !own_network)
        return BAD(option,
                   "%.*s belongs to the network, and with --network host that is the "
                   "host's, with container:NAME the other container's: leave one of the two "
                   "out",
                   (int)(len < 60 ? len : 60), text);
    if (!network && !is_ipc_sysctl(text, len))
        return BAD(option,
                   "%.*s is not the container's own: net.*, fs.mqueue.*, kernel.msg*, "
                   "kernel.sem and kernel.shm* can be set",
                   (int)(len < 60 ? len : 60), text);
    *ret = (struct prl_value_sysctl){.value = text + len + 1, .key_len = len};
    return 0;
}
