/* peer.c: does a box of a pair wait for the other one?
 * In: /proc/PID/task/TID/{stat,syscall} of the box, the pipes that it was given.  Out: yes or
 * no. Never: yes for a thread that works.
 *
 * The other box has ended when this is asked, so nobody reads or writes at the other ends of
 * the pipes: a thread that sleeps in a read or a write of one of them sleeps until they are
 * closed. These count as such a wait too: a call that waits for one of many descriptors, any
 * sleep where the kernel does not show calls, and a pipe that the program made non-blocking. */
#include "base/io.h"
#include "sandbox/parts.h"

#include "base/own.h"
#include "base/sys_waits.h"
#include "container/monitor/exports.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A descriptor of the process leads to a pipe that was lent to the box. */
static bool is_lent(const struct prl_sandbox_watch *w, pid_t pid, uint64_t fd)
{
    char path[64];
    struct stat theirs, ours;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, (int)fd);
    if (stat(path, &theirs) < 0)
        return false;
    for (unsigned i = 0; i < 2; i++)
        if (w->want->stdio[i] >= 0 && fstat(w->want->stdio[i], &ours) == 0 &&
            ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
            return true;
    return false;
}

/* "NUMBER ARG ARG …"; "running" is no call. */
static bool call_awaits(const struct prl_sandbox_watch *w, pid_t pid, const char *text)
{
    long number;
    uint64_t args[2];
    if (sscanf(text, "%ld %" SCNx64 " %" SCNx64, &number, &args[0], &args[1]) != 3)
        return false;
    unsigned on = prl_sys_waits_on(number);
    return on & PRL_WAITS_ON_MANY || (on & PRL_WAITS_ON_FIRST && is_lent(w, pid, args[0])) ||
           (on & PRL_WAITS_ON_SECOND && is_lent(w, pid, args[1]));
}

static bool sleeps(const char *task)
{
    char path[80], text[512];
    snprintf(path, sizeof path, "%s/stat", task);
    const char *end =
        prl_io_read_text(AT_FDCWD, path, text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
    return end && end[2] == 'S';
}

static bool process_awaits(const struct prl_sandbox_watch *w, pid_t pid)
{
    char list[40], task[64], path[80], text[256];
    snprintf(list, sizeof list, "/proc/%d/task", (int)pid);
    _cleanup_closedir_ DIR *dir = opendir(list);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        snprintf(task, sizeof task, "%s/%.20s", list, entry->d_name);
        snprintf(path, sizeof path, "%s/syscall", task);
        if (entry->d_name[0] == '.' || !sleeps(task))
            continue;
        if (prl_io_read_text(AT_FDCWD, path, text, sizeof text) <= 0 ||
            call_awaits(w, pid, text))
            return true;
    }
    return false;
}

static bool never_waits(int fd)
{
    return fd >= 0 && fcntl(fd, F_GETFL) & O_NONBLOCK;
}

bool prl_sandbox_awaits(const struct prl_sandbox_watch *w)
{
    _cleanup_free_ struct prl_tree *tree = malloc(sizeof *tree);
    if (!tree || w->child.pid <= 0)
        return false;
    if (never_waits(w->want->stdio[0]) || never_waits(w->want->stdio[1]))
        return true;
    prl_tree_read(w->child.pid, tree);
    for (size_t i = 1; i < tree->len; i++) /* the first one is the init */
        if (process_awaits(w, tree->pids[i]))
            return true;
    return false;
}
