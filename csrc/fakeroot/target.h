/* target.h: the process whose call is being answered.
 * In: its id, addresses and paths it gave.  Out: bytes, descriptors (O_PATH) of its files.
 * Never: a magic link followed, a path read as this process would read it, trust that the
 * process still lives: prl_target_alive before anything is done for it. */
#pragma once

#include "base/sys.h"
#include "fakeroot/ids.h"

struct prl_target {
    int listener_fd;
    uint64_t id;
    pid_t pid;    /* of the calling thread */
    uint32_t tag; /* of this supervisor's table of ids */
};

/* The working directory becomes /proc, which all paths of ours start from; a descriptor of it
 * stays at this number. */
enum { PRL_TARGET_PROC_FD = 5 };
int prl_target_begin(void);
bool prl_target_alive(const struct prl_target *target);
/* All len bytes or -EFAULT. */
int prl_target_read(const struct prl_target *target, uint64_t address, void *buf, size_t len);
int prl_target_write(const struct prl_target *target, uint64_t address, const void *data,
                     size_t len);
/* Up to the NUL into buf (PATH_MAX bytes): -EFAULT, -ENAMETOOLONG. */
int prl_target_path(const struct prl_target *target, uint64_t address, char *buf);
/* O_PATH descriptor of what the target means by (dir_fd, path); flags: AT_SYMLINK_NOFOLLOW,
 * AT_EMPTY_PATH. */
int prl_target_open(const struct prl_target *target, int dir_fd, const char *path, int flags);
/* Whether that file seems to have this attribute. Cheaper than opening it, but only a hint: the
 * look may go through a magic link. The only thing that may follow from it is a look by
 * prl_target_open. */
bool prl_target_glance(const struct prl_target *target, int dir_fd, const char *path, int flags,
                       const char *attribute);
/* O_PATH descriptor of the directory in which a path's last name lies; the name into ret_name
 * (NAME_MAX + 1 bytes). */
int prl_target_parent(const struct prl_target *target, int dir_fd, uint64_t address,
                      char *ret_name);
/* A number of /proc/PID/status in this base: "CapEff:", "Umask:"; false: not there. */
bool prl_target_status(const struct prl_target *target, const char *field, int base,
                       uint64_t *ret);
/* Which set of ids the process has: carried by the kernel over fork and exec as the soft value
 * of RLIMIT_LOCKS, which nothing else has used since Linux 2.4.25.  0: none was ever set, or
 * another supervisor's, which a program of `exec` has beside the container's. */
uint32_t prl_target_ids(const struct prl_target *target);
int prl_target_set_ids(const struct prl_target *target, uint32_t index);
/* "self/fd/N" into buf (32 bytes): a descriptor of ours as a path below the working directory.
 */
char *prl_target_file(int fd, char *buf);
