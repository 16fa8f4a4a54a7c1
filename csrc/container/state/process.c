/* process.c: the first process of a container, held by descriptors.
 * In: its number and its time of birth, as a running entry has them.  Out: descriptors, when
 * the kernel says that the process is a container of this user's.  Never: a signal; a process
 * that only has the number of a dead one, or that no container began. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/state/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* The row "NSpid:" of /proc/PID/status, which everybody may read: its numbers from the
 * reader's pid namespace down to its own. */
static bool is_first_of_a_namespace(int proc_fd)
{
    char text[4096];
    (void)prl_io_read_text(proc_fd, "status", text, sizeof text);
    const char *row = strstr(text, "\nNSpid:\t");
    if (!row)
        return false;
    row += strlen("\nNSpid:\t");
    size_t len = strcspn(row, "\n");
    return len > 2 && memcmp(row + len - 2, "\t1", 2) == 0;
}

/* The process lives in a user namespace that is not ours, and that this user made: every
 * container does, and nothing else that a forged entry could name.  One that was begun inside
 * another container shows its namespace to nobody outside of that: it is process 1 of a pid
 * namespace below ours then.  Source: user_namespaces(7), ioctl_nsfs(2), proc_pid_status(5). */
static bool is_contained(int proc_fd)
{
    struct stat own, its;
    uid_t owner;
    _cleanup_close_ int userns_fd = openat(proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
    if (userns_fd < 0)
        return errno == EACCES && is_first_of_a_namespace(proc_fd);
    if (fstat(userns_fd, &its) < 0 || stat("/proc/self/ns/user", &own) < 0 ||
        (its.st_ino == own.st_ino && its.st_dev == own.st_dev))
        return false;
    return ioctl(userns_fd, NS_GET_OWNER_UID, &owner) == 0 && owner == geteuid();
}

int prl_process_hold(pid_t pid, uint64_t start_ticks, struct prl_joinable *ret)
{
    char path[32];
    uint64_t ticks = 0;
    bool dead = true;
    *ret = (struct prl_joinable){.pid = pid, .pidfd = -1, .proc_fd = -1};
    if (pid <= 0)
        return -ESRCH;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    ret->pidfd = prl_sys_pidfd_open(pid);
    ret->proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* It lived when the descriptors were opened and is the one that was born then: they are
     * its own. */
    if (ret->proc_fd >= 0 && prl_entry_start_ticks(pid, &ticks, &dead) == 0 && !dead &&
        ticks == start_ticks) {
        if (is_contained(ret->proc_fd))
            return 0;
        prl_process_release(ret);
        return -EPERM;
    }
    prl_process_release(ret);
    return -ESRCH;
}

void prl_process_release(struct prl_joinable *process)
{
    prl_close_p(&process->pidfd);
    prl_close_p(&process->proc_fd);
}
