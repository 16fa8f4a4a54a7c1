/* text.c: the small files of control groups.
 * In: a directory, a file's name.  Out: its text or number.  Never: a meaning. */
#include "limits/files.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int prl_cgroup_read(int dir_fd, const char *name, char *buf, size_t size)
{
    ssize_t n = prl_io_read_text(dir_fd, name, buf, size);
    if (n < 0)
        return -errno;
    while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == ' '))
        n--;
    buf[n] = '\0';
    return (int)n;
}

int prl_cgroup_read_at(const char *directory, const char *name, char *buf, size_t size)
{
    _cleanup_close_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : prl_cgroup_read(fd, name, buf, size);
}

int prl_cgroup_write(int dir_fd, const char *name, const char *text)
{
    return prl_io_write_file(dir_fd, name, text, strlen(text), 0, 0);
}

uint64_t prl_cgroup_number(int dir_fd, const char *name)
{
    char text[64];
    if (prl_cgroup_read(dir_fd, name, text, sizeof text) <= 0)
        return 0;
    return strcmp(text, "max") == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}

uint64_t prl_cgroup_keyed(int dir_fd, const char *name, const char *key)
{
    char text[4096];
    size_t len = strlen(key);
    if (prl_cgroup_read(dir_fd, name, text, sizeof text) <= 0)
        return 0;
    for (const char *line = text; *line;) {
        if (strncmp(line, key, len) == 0 && line[len] == ' ')
            return strtoull(line + len + 1, NULL, 10);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

bool prl_cgroup_is_leaf(const char *name)
{
    return strncmp(name, "pyrootless-", 11) == 0 &&
           strspn(name + 11, "0123456789abcdef") == 64 && name[11 + 64] == '\0';
}

/* In version 1 processes are killed and refused in the group they are in: the box. */
static uint32_t count_in(int dir_fd, bool boxed, const char *name, const char *key)
{
    char inner[64];
    uint64_t count = prl_cgroup_keyed(dir_fd, name, key);
    snprintf(inner, sizeof inner, PRL_CGROUP_BOX "/%s", name);
    return (uint32_t)(boxed ? count + prl_cgroup_keyed(dir_fd, inner, key) : count);
}

void prl_cgroup_measure_end(int dir_fd, bool version2, bool flat, unsigned controllers,
                            struct prl_usage *ret)
{
    bool boxed = !version2 && !flat;
    if (controllers & PRL_CONTROL_MEMORY)
        ret->oom_kills = count_in(
            dir_fd, boxed, version2 ? "memory.events" : "memory.oom_control", "oom_kill");
    if (controllers & PRL_CONTROL_PIDS)
        ret->pids_refused = count_in(dir_fd, boxed, "pids.events", "max");
}

/* The text of more than one process is longer than that of one, whoever they are. */
static bool holds(int dir_fd, const char *wanted)
{
    char text[64];
    return prl_cgroup_read(dir_fd, "cgroup.procs", text, sizeof text) >= 0 &&
           strcmp(text, wanted) == 0;
}

bool prl_cgroup_is_alone(int dir_fd)
{
    char own[24];
    snprintf(own, sizeof own, "%d", (int)getpid());
    return holds(dir_fd, own);
}

bool prl_cgroup_is_free(int dir_fd)
{
    return holds(dir_fd, "") || prl_cgroup_is_alone(dir_fd);
}

int prl_cgroup_fail(const char *path, const char *name, const char *value, int r,
                    struct prl_error *reterr)
{
    return prl_failf(reterr, PRL_STAGE_LIMITS, -r, "write", "%.120s/%s: cannot be set to %.40s",
                     path, name, value);
}
