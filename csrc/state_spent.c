/* state_spent.c: the directory of a --rm container that has ended, made new for a later one.
 * In: a store, ids.  Out: DATA/spent, without a file of the container that had it; DATA/spare,
 * as a new directory.  Never: an upper or a work directory that a container had before; a file
 * of one container in the next; a wait.
 *
 * A container ends with one rename: DATA/containers/ID → DATA/spent, after its files; what it
 * wrote to its root goes to the trash.  The next start makes upper and work new while its
 * program runs, DATA/spent → DATA/spare; the one after it takes that with one rename.  At most
 * one of each is there, and after a number of uses another directory.
 * These two are never used again: a descriptor of the old root that was sent out of the old
 * container would show what the next one writes, and the kernel may still have it mounted.
 * A kill leaves the directory under one of its three names: as containers/ID it is swept with
 * its entry or its marker, which stays in it all along; as spent it is renewed from the start.
 */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "state_entry.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

static const char spent[] = "spent", spare[] = "spare";

enum { USES = 128 };

static int open_directory(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool refuse(int dir_fd, const struct prl_dirent *entry, void *data)
{
    (void)data;
    (void)dir_fd;
    (void)entry;
    return false;
}

/* The container's files; the marker stays. */
static bool remove_file(int dir_fd, const struct prl_dirent *entry, void *data)
{
    (void)data;
    const char *name = entry->d_name;
    if (entry->d_type == DT_DIR)
        return strcmp(name, "upper") == 0 || strcmp(name, "work") == 0;
    return strcmp(name, "remove") == 0 || unlinkat(dir_fd, name, 0) == 0;
}

/* Upper and work are here, not links to the scratch directory, and what overlayfs made for
 * itself can be removed by us: the container's root was our own id. */
static bool is_ours(int dir_fd)
{
    struct stat upper, work, made;
    if (fstatat(dir_fd, "upper", &upper, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(upper.st_mode) ||
        fstatat(dir_fd, "work", &work, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(work.st_mode))
        return false;
    return fstatat(dir_fd, "work/work", &made, AT_SYMLINK_NOFOLLOW) < 0
               ? errno == ENOENT
               : made.st_uid == geteuid();
}

/* An empty upper may stay until somebody has time to remove it. */
static bool put_away_upper(int store_fd, int fd, const char *id, int *ret_trash_fd)
{
    _cleanup_close_ int upper_fd = open_directory(fd, "upper");
    if (upper_fd >= 0 && prl_state_each(upper_fd, refuse, NULL))
        return true;
    int r = prl_dirs_mkdir(store_fd, "trash", 0700);
    _cleanup_close_ int trash_fd = r < 0 ? -1 : open_directory(store_fd, "trash");
    if (trash_fd < 0 || renameat(fd, "upper", trash_fd, id) < 0)
        return false;
    *ret_trash_fd = steal_fd(&trash_fd);
    return true;
}

bool prl_spent_leave(int store_fd, int containers_fd, const char *id, int *ret_trash_fd)
{
    struct stat st;
    if (fstatat(store_fd, spent, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return false;
    _cleanup_close_ int fd = open_directory(containers_fd, id);
    return fd >= 0 && is_ours(fd) && prl_state_each(fd, remove_file, NULL) &&
           put_away_upper(store_fd, fd, id, ret_trash_fd) &&
           renameat(containers_fd, id, store_fd, spent) == 0;
}

/* Whoever has the lock of the directory that bears the name owns it. */
static bool claim(const struct prl_dirs *dirs, int fd)
{
    struct stat mine, named;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 &&
           fstatat(dirs->data_fd, spent, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

/* A hint for ext4 (chattr(1), T): what is made in here belongs apart.  Else it makes a
 * directory beside its parent, and without a journal it looks there for a free inode past all
 * that were deleted in the last minutes. */
static void spread(int dir_fd)
{
    int flags;
    if (ioctl(dir_fd, FS_IOC_GETFLAGS, &flags) < 0 || flags & FS_TOPDIR_FL)
        return;
    flags |= FS_TOPDIR_FL;
    (void)ioctl(dir_fd, FS_IOC_SETFLAGS, &flags);
}

static bool fill(int fd)
{
    return fd >= 0 && prl_state_create_file(fd, "remove", "\n\n", 2) == 0 &&
           prl_dirs_mkdir(fd, "upper", 0755) == 0 && prl_dirs_mkdir(fd, "work", 0700) == 0;
}

/* ext4 chooses the place by the name. */
static void make_another(const struct prl_dirs *dirs)
{
    uint64_t number;
    char name[32];
    _cleanup_close_ int trash_fd = open_directory(dirs->data_fd, "trash");
    if (trash_fd < 0 || getrandom(&number, sizeof number, 0) != sizeof number)
        return;
    snprintf(name, sizeof name, "spare-%016llx", (unsigned long long)number);
    spread(trash_fd);
    int r = prl_dirs_mkdir(trash_fd, name, 0700);
    _cleanup_close_ int fd = r < 0 ? -1 : open_directory(trash_fd, name);
    if (!fill(fd) || renameat(trash_fd, name, dirs->data_fd, spare) < 0)
        (void)prl_io_remove_tree(trash_fd, name);
}

/* A directory may be used USES times: its marker, whose first line is a name, grows by a byte
 * each time.  One that was not made here has none yet.  What was still written to the upper
 * keeps it from going. */
static bool renew(int fd)
{
    struct stat st;
    unsigned budget = PRL_SWEEP_NAMES;
    _cleanup_close_ int marker_fd =
        openat(fd, "remove", O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (marker_fd < 0 || fstat(marker_fd, &st) < 0 || st.st_size < 2 || st.st_size > USES ||
        pwrite(marker_fd, "\n", 1, st.st_size) != 1)
        return false;
    if ((unlinkat(fd, "upper", AT_REMOVEDIR) < 0 && errno != ENOENT) ||
        prl_io_remove_tree_some(fd, "work", &budget) != 0)
        return false;
    return prl_dirs_mkdir(fd, "upper", 0755) == 0 && prl_dirs_mkdir(fd, "work", 0700) == 0;
}

void prl_spent_renew(const struct prl_dirs *dirs)
{
    struct stat st;
    unsigned budget = PRL_SWEEP_NAMES;
    _cleanup_close_ int fd = open_directory(dirs->data_fd, spent);
    if (fd < 0 || fstatat(dirs->data_fd, spare, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
        !claim(dirs, fd))
        return;
    if (renew(fd) && renameat(dirs->data_fd, spent, dirs->data_fd, spare) == 0)
        return;
    make_another(dirs);
    (void)prl_io_remove_tree_foreign(dirs->data_fd, spent, &budget);
}

static bool has_directory(int fd, const char *name, mode_t mode)
{
    struct stat st;
    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
           (st.st_mode & 07777) == mode;
}

int prl_spent_take(const struct prl_dirs *dirs, const char *name)
{
    struct stat st;
    if (renameat(dirs->data_fd, spare, dirs->data_fd, name) < 0)
        return -errno;
    _cleanup_close_ int fd = open_directory(dirs->data_fd, name);
    if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0700 &&
        has_directory(fd, "upper", 0755) && has_directory(fd, "work", 0700))
        return steal_fd(&fd);
    (void)prl_io_remove_tree(dirs->data_fd, name);
    return -ENOTEMPTY;
}
