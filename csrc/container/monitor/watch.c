/* watch.c: summing the memory of a tree of processes; see watch.h.
 * In: /proc.  Out: bytes.  Never: memory that grows with the tree.  Source: proc(5). */
#include "container/monitor/watch.h"
#include "base/io.h"

#include "base/own.h"
#include "container/monitor/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PAUSE_MIN_NS = 1000000,
    PAUSE_MAX_NS = 50000000,
    TABLES_SHARE = 512,         /* a table's entry, 8 bytes, for a page */
    TABLES_MIN_BYTES = 1 << 20, /* less is not worth a look */
    TABLE_LINES = 1 << 16,      /* of two thousand mappings */
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
    ssize_t n = prl_io_read_text(AT_FDCWD, path, text, sizeof text);
    const char *line = n > 0 ? strstr(text, "\nVmPTE:") : NULL;
    return line && sscanf(line, "\nVmPTE: %llu", &kib) == 1 ? kib * 1024 : 0;
}

/* Bytes of those that are resident, and of all its mappings. */
static uint64_t pages(pid_t pid, uint64_t *ret_size)
{
    char path[64], text[256];
    unsigned long long size = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (prl_io_read_text(AT_FDCWD, path, text, sizeof text) <= 0 ||
        sscanf(text, "%llu %llu", &size, &resident) != 2)
        size = resident = 0;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (ret_size)
        *ret_size = size * page;
    return resident * page;
}

/* The number behind a name of smaps; false: it is not there. */
static bool read_kib(const char *text, const char *name, uint64_t *ret)
{
    const char *at = strstr(text, name);
    return at && sscanf(at + strlen(name), " %" SCNu64, ret) == 1;
}

/* "START-END PERMS OFFSET DEV INODE   PATH": shared memory without a file. */
static bool is_nameless(const char *line)
{
    char shared = '-';
    int path = 0;
    if (sscanf(line, "%*s %*c%*c%*c%c %*s %*s %*s %n", &shared, &path) < 1 || shared != 's')
        return false;
    return line[path] != '/' || strcmp(line + path, "/dev/zero (deleted)\n") == 0;
}

static void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}
#define _cleanup_file_ __attribute__((cleanup(close_file)))

/* Its share of shared memory without a file; UINT64_MAX: its table is too long to be read so
 * often; -errno: with ENOENT or ESRCH the process has ended. */
static int nameless_kib(pid_t pid, uint64_t *ret)
{
    char path[64];
    uint64_t sum = 0, kib, lines = 0;
    bool nameless = false;
    snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
    _cleanup_file_ FILE *file = fopen(path, "re");
    _cleanup_free_ char *line = NULL;
    size_t size = 0;
    *ret = UINT64_MAX;
    if (!file)
        return -errno;
    while (getline(&line, &size, file) > 0) {
        if (++lines > TABLE_LINES)
            return 0;
        if (line[0] < 'A' || line[0] > 'Z')
            nameless = is_nameless(line);
        else if (nameless && strncmp(line, "Pss:", 4) == 0 && read_kib(line, "Pss:", &kib))
            sum += kib;
    }
    *ret = sum;
    return 0;
}

/* Its share of every page, but of files in memory where these are counted as files; what is
 * resident where the kernel does not say.  Without tables. */
static uint64_t proportional(pid_t pid, bool files_apart)
{
    char path[64], text[4096];
    uint64_t kib, shared = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    if (prl_io_read_text(AT_FDCWD, path, text, sizeof text) <= 0 ||
        !read_kib(text, "\nPss:", &kib))
        return pages(pid, NULL);
    if (files_apart && read_kib(text, "\nPss_Shmem:", &shared) && shared > 0) {
        uint64_t nameless;
        int r = nameless_kib(pid, &nameless);
        if (r == -ENOENT || r == -ESRCH)
            return 0; /* files are counted as files, what else it had is free again */
        kib -= shared > nameless ? shared - nameless : 0;
    }
    return kib * 1024;
}

uint64_t prl_watch_memory(pid_t pid, pid_t companion, uint64_t limit_bytes,
                          const uint64_t *files_bytes)
{
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    uint64_t files = files_bytes ? *files_bytes : 0, sum = 0, own = files;
    if (!tree)
        return 0;
    prl_tree_read(pid, tree);
    if (companion > 0)
        prl_tree_extend(companion, tree);
    for (size_t i = 0; i < tree->len; i++) {
        uint64_t size;
        sum += pages(tree->pids[i], &size);
        own += tables(tree->pids[i], size);
    }
    if (tree->full) /* nobody asked for so many processes */
        return UINT64_MAX;
    /* Nobody shares a table.  The kernel goes through all of them for a share of the pages, and
     * who makes them may have ended by then. */
    if (own > limit_bytes || own + sum <= limit_bytes)
        return own > limit_bytes ? own : own + sum;
    sum = 0;
    for (size_t i = 0; i < tree->len; i++)
        sum += proportional(tree->pids[i], files_bytes != NULL);
    return own + sum;
}

uint64_t prl_watch_pause_ns(uint64_t used_bytes, uint64_t limit_bytes)
{
    uint64_t left = used_bytes < limit_bytes ? limit_bytes - used_bytes : 0;
    uint64_t pause_ns = left / FASTEST_BYTES_A_US * 1000;
    if (pause_ns < PAUSE_MIN_NS)
        return PAUSE_MIN_NS;
    return pause_ns > PAUSE_MAX_NS ? PAUSE_MAX_NS : pause_ns;
}
