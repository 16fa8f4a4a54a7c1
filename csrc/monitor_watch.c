/* monitor_watch.c: summing the memory of a tree of processes; see monitor_watch.h.
 * In: /proc.  Out: bytes.  Never: memory that grows with the tree; a process twice.
 *
 * Every process of a pid namespace descends from its first one: an orphan is given to it.
 * /proc/PID/task/TID/children names the children (Linux 3.5, CONFIG_PROC_CHILDREN).
 * Source: proc(5). */
#include "monitor_watch.h"

#include "base/own.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PROCESSES_MAX = 4096, /* more count as over the limit: nobody asked for so many */
    TEXT_BYTES = 16384,
    PAUSE_MIN_NS = 1000000,
    PAUSE_MAX_NS = 50000000,
    FASTEST_BYTES_A_US = 8192, /* about what two processors fill with zeros */
};

struct tree {
    pid_t pids[PROCESSES_MAX];
    size_t len;
    bool full;
};

static ssize_t read_text(const char *path, char *buf, size_t size)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
    buf[n > 0 ? n : 0] = '\0';
    return n;
}

static void add(struct tree *tree, pid_t pid)
{
    if (tree->len == PROCESSES_MAX)
        tree->full = true;
    else
        tree->pids[tree->len++] = pid;
}

/* Children of one thread; the list is cut where the buffer ends, at a whole number. */
static void add_children(struct tree *tree, const char *path)
{
    char text[TEXT_BYTES];
    ssize_t n = read_text(path, text, sizeof text);
    char *at = text, *end;
    if (n == (ssize_t)sizeof text - 1)
        tree->full = true;
    for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at, &end, 10)) {
        add(tree, (pid_t)pid);
        at = end;
    }
}

static void add_threads(struct tree *tree, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    _cleanup_closedir_ DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char list[64];
        long tid = strtol(entry->d_name, NULL, 10);
        if (tid <= 0)
            continue;
        snprintf(list, sizeof list, "/proc/%d/task/%ld/children", (int)pid, tid);
        add_children(tree, list);
    }
}

static uint64_t resident(pid_t pid)
{
    char path[64], text[256];
    unsigned long long size, pages;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (read_text(path, text, sizeof text) <= 0 ||
        sscanf(text, "%llu %llu", &size, &pages) != 2)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Its share of every page; what is resident where the kernel does not say. */
static uint64_t proportional(pid_t pid)
{
    char path[64], text[4096];
    unsigned long long kib;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    ssize_t n = read_text(path, text, sizeof text);
    const char *line = n > 0 ? strstr(text, "\nPss:") : NULL;
    if (!line || sscanf(line, "\nPss: %llu", &kib) != 1)
        return resident(pid);
    return kib * 1024;
}

uint64_t prl_watch_memory(pid_t pid, uint64_t limit_bytes)
{
    _cleanup_free_ struct tree *tree = calloc(1, sizeof *tree);
    uint64_t sum = 0;
    if (!tree)
        return 0;
    add(tree, pid);
    for (size_t i = 0; i < tree->len; i++)
        add_threads(tree, tree->pids[i]);
    for (size_t i = 0; i < tree->len; i++)
        sum += resident(tree->pids[i]);
    if (tree->full)
        return UINT64_MAX;
    if (sum <= limit_bytes)
        return sum;
    sum = 0;
    for (size_t i = 0; i < tree->len; i++)
        sum += proportional(tree->pids[i]);
    return sum;
}

uint64_t prl_watch_pause_ns(uint64_t used_bytes, uint64_t limit_bytes)
{
    uint64_t left = used_bytes < limit_bytes ? limit_bytes - used_bytes : 0;
    uint64_t pause_ns = left / FASTEST_BYTES_A_US * 1000;
    if (pause_ns < PAUSE_MIN_NS)
        return PAUSE_MIN_NS;
    return pause_ns > PAUSE_MAX_NS ? PAUSE_MAX_NS : pause_ns;
}
