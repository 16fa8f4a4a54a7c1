/* tree.c: a process and its descendants; see tree.h.
 * In: /proc.  Out: process ids.  Never: memory that grows with the tree; a process twice.
 *
 * Every process of a pid namespace descends from its first one: an orphan is given to it.
 * /proc/PID/task/TID/children names the children (Linux 3.5, CONFIG_PROC_CHILDREN).
 * Source: proc(5). */
#include "container/monitor/tree.h"
#include "base/io.h"

#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT_BYTES = 16384 };

static void add(struct prl_tree *tree, pid_t pid)
{
    if (tree->len == PRL_TREE_MAX)
        tree->full = true;
    else
        tree->pids[tree->len++] = pid;
}

/* Children of one thread; the list is cut where the buffer ends, at a whole number. */
static void add_children(struct prl_tree *tree, const char *path)
{
    char text[TEXT_BYTES];
    ssize_t n = prl_io_read_text(AT_FDCWD, path, text, sizeof text);
    char *at = text, *end;
    if (n == (ssize_t)sizeof text - 1)
        tree->full = true;
    for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at, &end, 10)) {
        add(tree, (pid_t)pid);
        at = end;
    }
}

static void add_threads(struct prl_tree *tree, pid_t pid)
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

void prl_tree_extend(pid_t pid, struct prl_tree *tree)
{
    size_t i = tree->len;
    add(tree, pid);
    for (; i < tree->len; i++)
        add_threads(tree, tree->pids[i]);
}

void prl_tree_read(pid_t pid, struct prl_tree *ret)
{
    ret->len = 0;
    ret->full = false;
    prl_tree_extend(pid, ret);
}
