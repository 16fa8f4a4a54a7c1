// sources: csrc/base/**/*.c csrc/container/monitor/tree.c csrc/container/monitor/watch.c
// flags: -Wl,--wrap=prl_io_read_text
/* test_monitor_watch.c: memory of a process, as /proc tells it, and one that ends meanwhile.
 * The kernel takes its time for smaps_rollup: the wrapper kills the process just before. */
#include "container/monitor/tree.h"
#include "container/monitor/watch.h"

#include "base/sys.h"
#include "check.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20, TABLE_COVERS = 2 * MIB, PAGE = 4096 };

static pid_t victim; /* ends before its shares are told */
static bool after;   /* ends and is reaped just after they were told */
static unsigned asked;

ssize_t __real_prl_io_read_text(int dir_fd, const char *path, char *text, size_t size);
ssize_t __wrap_prl_io_read_text(int dir_fd, const char *path, char *text, size_t size);

static void end_victim(void)
{
    siginfo_t info;
    if (victim <= 0)
        return;
    kill(victim, SIGKILL);
    waitid(P_PID, (id_t)victim, &info, WEXITED | (after ? 0 : WNOWAIT));
}

ssize_t __wrap_prl_io_read_text(int dir_fd, const char *path, char *text, size_t size)
{
    bool shares = strstr(path, "smaps_rollup") != NULL;
    asked += shares;
    if (shares && !after)
        end_victim();
    ssize_t n = __real_prl_io_read_text(dir_fd, path, text, size);
    if (shares && after)
        end_victim();
    return n;
}

/* A process with so many tables and pages, which says when it has them. */
static void start(size_t tables, size_t pages, pid_t *ret)
{
    int ready[2];
    char byte;
    CHECK_INT(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        size_t size = tables * TABLE_COVERS;
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        volatile char *wide = mmap(NULL, size, PROT_READ, flags, -1, 0);
        char *full = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
        madvise((void *)wide, size, MADV_NOHUGEPAGE);
        for (size_t at = 0; at < size; at += TABLE_COVERS)
            (void)wide[at];
        memset(full, 1, pages * PAGE);
        write(ready[1], "r", 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *ret = pid;
}

static void end(pid_t pid)
{
    if (!after) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    victim = 0;
    after = false;
    asked = 0;
}

/* A process that maps a file in memory of so many bytes. */
static void start_mapping(size_t bytes, pid_t *ret)
{
    int ready[2], fd = memfd_create("file", MFD_CLOEXEC);
    char byte;
    CHECK_INT(pipe(ready), 0);
    CHECK_INT(ftruncate(fd, (off_t)bytes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        memset(block, 1, bytes);
        write(ready[1], "r", 1);
        for (;;)
            pause();
    }
    close(fd);
    close(ready[1]);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *ret = pid;
}

TEST(tables_count_though_their_process_has_ended)
{
    pid_t pid = 0;
    start(16 * MIB / PAGE, 0, &pid);
    victim = pid;
    CHECK(prl_watch_memory(pid, 0, 12 * MIB, NULL) >= 16 * MIB);
    CHECK_INT(asked, 0); /* the kernel would go through them all */
    end(pid);
}

TEST(tables_and_pages_count_together)
{
    pid_t pid = 0;
    start(16 * MIB / PAGE, 8 * MIB / PAGE, &pid);
    CHECK(prl_watch_memory(pid, 0, 20 * MIB, NULL) >= 24 * MIB);
    CHECK_INT(asked, 1);
    end(pid);
}

TEST(below_the_limit_nobody_is_asked_for_shares)
{
    pid_t pid = 0;
    start(16 * MIB / PAGE, 8 * MIB / PAGE, &pid);
    uint64_t files = MIB;
    uint64_t used = prl_watch_memory(pid, 0, 1024ull * MIB, &files);
    CHECK(used >= 25 * MIB);
    CHECK(used < 512ull * MIB);
    CHECK_INT(asked, 0);
    end(pid);
}

TEST(a_mapped_file_is_counted_as_a_file_alone)
{
    pid_t pid = 0;
    start_mapping(40 * MIB, &pid);
    uint64_t files = 40 * MIB;
    uint64_t used = prl_watch_memory(pid, 0, 64 * MIB, &files);
    CHECK(used >= 40 * MIB);
    CHECK(used < 64 * MIB);
    CHECK_INT(asked, 1);
    end(pid);
}

TEST(who_ends_before_its_mappings_are_told_has_none)
{
    pid_t pid = 0;
    start_mapping(40 * MIB, &pid);
    uint64_t files = 40 * MIB;
    victim = pid;
    after = true;
    uint64_t used = prl_watch_memory(pid, 0, 64 * MIB, &files); /* its tables beside the file */
    CHECK(used >= 40 * MIB);
    CHECK(used < 64 * MIB);
    CHECK_INT(asked, 1);
    end(pid);
}
