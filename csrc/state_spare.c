/* state_spare.c: the directory of a throw-away container that has ended, kept for the next one.
 * In: the runtime directory, ids.  Out: RUNTIME/spare, empty, or nothing.  Never: a file of one
 * container in the next; a wait.
 *
 * What is kept is one directory's inode and block.  Where the runtime directory is on a disk
 * that discards what is freed at once (ext4 without a journal), removing a directory and making
 * a new one takes longer than all mounts of a container.
 * A kill leaves a directory under one of its two names: as containers/ID it is swept with its
 * entry, as spare it is empty. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "state_entry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char spare[] = "spare";

enum { ENTRIES_BYTES = 2048 };

bool prl_state_each(int dir_fd, prl_state_visit visit, void *data)
{
    _Alignas(8) char entries[ENTRIES_BYTES];
    for (;;) {
        long n = prl_sys_getdents(dir_fd, entries, sizeof entries);
        if (n <= 0)
            return n == 0;
        for (long at = 0; at < n;) {
            const void *here = entries + at;
            const struct prl_dirent *entry = here;
            bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
            if (!dots && !visit(dir_fd, entry, data))
                return false;
            at += entry->d_reclen;
        }
    }
}

static bool remove_file(int dir_fd, const struct prl_dirent *entry, void *data)
{
    (void)data;
    return entry->d_type != DT_DIR && unlinkat(dir_fd, entry->d_name, 0) == 0;
}

/* Remove what is in a directory; false: it is not empty, because of a directory or a refusal.
 */
static bool empty(int dir_fd)
{
    return prl_state_each(dir_fd, remove_file, NULL);
}

int prl_spare_take(const struct prl_dirs *dirs, const char *name)
{
    struct stat st;
    if (renameat(dirs->runtime_fd, spare, dirs->runtime_fd, name) < 0)
        return -errno;
    _cleanup_close_ int fd =
        openat(dirs->runtime_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0700 && empty(fd))
        return steal_fd(&fd);
    (void)prl_io_remove_tree(dirs->runtime_fd, name);
    return -ENOTEMPTY;
}

bool prl_spare_leave(const struct prl_dirs *dirs, int containers_fd, const char *id)
{
    _cleanup_close_ int fd =
        openat(containers_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && empty(fd) && renameat(containers_fd, id, dirs->runtime_fd, spare) == 0;
}
