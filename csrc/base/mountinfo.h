/* mountinfo.h: the table of mounts as /proc/PID/mountinfo has it.
 * In: its text.  Out: rows that point into it.  Never: a file opened, except to ask for the
 * mount of a descriptor.  Source: proc_pid_mountinfo(5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct prl_mount_row {
    unsigned id, major, minor;
    const char *root, *point, *flags;
};

/* All rows of a text, which is cut in place; malloc'd; NULL: no memory. */
struct prl_mount_row *prl_mountinfo_parse(char *text, size_t *ret_len);
/* The number of the mount that a descriptor lies in; false: the kernel does not tell. */
bool prl_mountinfo_id(int fd, unsigned *ret);
/* What of `path` comes after `dir`: "" or "/…"; NULL: it does not lie there. */
const char *prl_mountinfo_below(const char *path, const char *dir);
