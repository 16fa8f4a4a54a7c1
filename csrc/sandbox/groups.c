/* groups.c: which control groups belong to whom, and those that a killed caller left.
 * In: this process, the directories for groups.  Out: ids that identify their maker; empty
 * groups of dead makers removed. Never: a group of a maker that may be alive: the maker's
 * process id, start time and pid namespace are part of the id. */
#include "base/io.h"
#include "sandbox/run.h"

#include "base/own.h"
#include "container/monitor/exports.h"
#include "limits/exports.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* "pyrootless-", a mark that no other container's random id has, and 52 digits. */
#define MARK "5a4db0c5"
static const char prefix[] = "pyrootless-" MARK;

enum { START_FIELD = 22 };

struct maker {
    uint32_t namespace;
    uint32_t pid;
    uint64_t birth; /* ticks since the machine's start; 0: there is no such process */
};

static uint64_t birth_of(uint32_t pid)
{
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", pid);
    const char *at =
        prl_io_read_text(AT_FDCWD, path, text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
    for (int field = 2; at && field < START_FIELD; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

/* Looked at once: only a fork changes it. */
static struct maker this_maker(void)
{
    static _Thread_local struct maker maker;
    struct stat st;
    uint32_t pid = (uint32_t)getpid();
    if (maker.pid != pid) {
        maker.namespace = stat("/proc/self/ns/pid", &st) == 0 ? (uint32_t)st.st_ino : 0;
        maker.birth = birth_of(pid);
        maker.pid = pid;
    }
    return maker;
}

void prl_sandbox_id(char ret[65])
{
    static uint64_t counter;
    struct maker maker = this_maker();
    uint64_t number = __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
    snprintf(ret, 65, MARK "%08" PRIx32 "%08" PRIx32 "%016" PRIx64 "%024" PRIx64,
             maker.namespace, maker.pid, maker.birth, number);
}

static bool is_orphan(const char *name, const struct maker *self)
{
    struct maker maker;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0 ||
        sscanf(name + sizeof prefix - 1, "%8" SCNx32 "%8" SCNx32 "%16" SCNx64, &maker.namespace,
               &maker.pid, &maker.birth) != 3)
        return false;
    return maker.namespace == self->namespace && birth_of(maker.pid) != maker.birth;
}

void prl_sandbox_sweep(const struct prl_cgroup_host *host)
{
    struct maker self = this_maker();
    for (size_t i = 0; i < host->len; i++) {
        _cleanup_closedir_ DIR *dir = opendir(host->bases[i].path);
        const struct dirent *entry;
        while (dir && (entry = readdir(dir))) {
            _cleanup_free_ char *path = NULL;
            if (is_orphan(entry->d_name, &self) &&
                asprintf(&path, "%s/%s", host->bases[i].path, entry->d_name) > 0)
                (void)prl_leaf_remove(path); /* busy ones are tried again next time */
        }
    }
}
