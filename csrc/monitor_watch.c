/* monitor_watch.c: summing the memory of a tree of processes; see monitor_watch.h.
 * In: /proc.  Out: bytes.  Never: memory that grows with the tree.  Source: proc(5). */
#include "monitor_watch.h"

#include "base/own.h"
#include "monitor_tree.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PAUSE_MIN_NS = 1000000,
    PAUSE_MAX_NS = 50000000,
    TABLES_SHARE = 512,         /* a table's entry, 8 bytes, for a page */
    TABLES_MIN_BYTES = 1 << 20, /* less is not worth a look */
    FASTEST_BYTES_A_US = 8192,  /* about what two processors fill with zeros */
};

/* Of a process so large: page tables are memory that no page shows, 4 KiB for 2 MiB touched. */
static uint64_t tables(pid_t pid, uint64_t size_bytes)
{
    char path[64], text[4096];
    unsigned long long kib;
    if (size_bytes / TABLES_SHARE < TABLES_MIN_BYTES)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    ssize_t n = prl_tree_text(path, text, sizeof text);
    const char *line = n > 0 ? strstr(text, "\nVmPTE:") : NULL;
    return line && sscanf(line, "\nVmPTE: %llu", &kib) == 1 ? kib * 1024 : 0;
}

static uint64_t resident(pid_t pid)
{
    char path[64], text[256];
    unsigned long long size, pages;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (prl_tree_text(path, text, sizeof text) <= 0 ||
        sscanf(text, "%llu %llu", &size, &pages) != 2)
        return 0;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return pages * page + tables(pid, size * page);
}

/* Its share of every page; what is resident where the kernel does not say. */
static uint64_t proportional(pid_t pid)
{
    char path[64], text[4096];
    unsigned long long kib;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    ssize_t n = prl_tree_text(path, text, sizeof text);
    const char *line = n > 0 ? strstr(text, "\nPss:") : NULL;
    if (!line || sscanf(line, "\nPss: %llu", &kib) != 1)
        return resident(pid);
    return kib * 1024 + tables(pid, UINT64_MAX);
}

uint64_t prl_watch_memory(pid_t pid, pid_t companion, uint64_t limit_bytes)
{
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    uint64_t sum = 0;
    if (!tree)
        return 0;
    prl_tree_read(pid, tree);
    if (companion > 0)
        prl_tree_extend(companion, tree);
    for (size_t i = 0; i < tree->len; i++)
        sum += resident(tree->pids[i]);
    if (tree->full) /* nobody asked for so many processes */
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
