/* pipes.c: does a box keep pages of pipes that all processes of its user share?
 * In: the size of a pipe made now; /proc/PID/fd of a running box.  Out: yes or no.
 * Never: yes while new pipes still have their usual size, or for a box with no more than its
 * share.
 *
 * fs.pipe-user-pages-soft counts for the user, in no namespace: beyond it a new pipe has two
 * pages, and a program that writes more before anybody reads waits for ever.  A process whose
 * descriptors cannot be seen is taken for one that has too many.
 * Source: pipe(7), proc_pid_fd(5). */
#include "sandbox/parts.h"

#include "base/own.h"
#include "container/monitor/exports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { USUAL_PAGES = 16, SHARE = 128, HIDDEN = SHARE + 1 };

static bool are_scarce(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno == ENFILE;
    int size = fcntl(ends[0], F_GETPIPE_SZ);
    close(ends[0]);
    close(ends[1]);
    return size > 0 && size < USUAL_PAGES * sysconf(_SC_PAGESIZE);
}

/* Ends of pipes that a process has open. */
static unsigned ends_of(pid_t pid)
{
    char path[32], target[8];
    unsigned found = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    _cleanup_closedir_ DIR *dir = opendir(path);
    if (!dir)
        return errno == EACCES ? HIDDEN : 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target);
        found += n > 5 && memcmp(target, "pipe:", 5) == 0;
    }
    return found;
}

bool prl_sandbox_takes_pipes(pid_t init)
{
    unsigned sum = 0;
    if (!are_scarce())
        return false;
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    if (!tree)
        return false;
    prl_tree_read(init, tree);
    for (size_t i = 1; i < tree->len && sum <= SHARE; i++) /* the init shows nothing */
        sum += ends_of(tree->pids[i]);
    return sum > SHARE;
}
