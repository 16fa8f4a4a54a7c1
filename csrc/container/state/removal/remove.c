/* remove.c: taking a container away.
 * In: its running entry.  Out: no control group, no name, no directory, no entry.  Never: a
 * process; the entry before the rest.
 *
 * Order: volumes (while config.json still says which), name, directory (one rename into the
 * trash: gone at once, however big it is), running entry, then the tree in the trash.  Killed
 * anywhere, the next sweep goes on: before the rename it finds the entry, after it the trash.
 * To remove the directories of a --rm container takes a twelfth of its whole time, and who
 * started it waits.  Where they are empty they become DATA/spent instead, one container's at
 * most, and the next start removes that while its program runs. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/state/entry.h"
#include "container/state/volumes/store.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

int prl_removal_forget(const struct prl_dirs *dirs, const char *id, struct prl_error *reterr)
{
    char path[32 + PRL_ID_LEN];
    snprintf(path, sizeof path, "running/%.64s", id);
    if (unlinkat(dirs->runtime_fd, path, 0) < 0 && errno != ENOENT)
        return prl_failf(reterr, PRL_STAGE_STATE, errno, "unlink", "%s/%s", dirs->runtime,
                         path);
    return 0;
}

/* The store the container lives in: DIRECTORY without "/containers/ID".  It may be another one
 * than ours, since all stores of a user share the runtime directory. */
static int open_store(const struct prl_removal *removal)
{
    const char *directory = removal->entry->directory;
    size_t tail = strlen("/containers/") + PRL_ID_LEN, len = strlen(directory);
    char path[PATH_MAX];
    if (removal->entry->ephemeral)
        return openat(removal->dirs->data_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (len <= tail || len - tail >= sizeof path ||
        strncmp(directory + len - tail, "/containers/", strlen("/containers/")) != 0 ||
        strcmp(directory + len - PRL_ID_LEN, removal->id) != 0) {
        errno = EBADMSG;
        return -1;
    }
    memcpy(path, directory, len - tail);
    path[len - tail] = '\0';
    if (removal->dirs->data_fd >= 0 && strcmp(path, removal->dirs->data) == 0)
        return openat(removal->dirs->data_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int open_below(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Remove in place what cannot be renamed into the trash. */
static int remove_in(int dir_fd, const char *id, unsigned *budget)
{
    int r = prl_io_remove_tree_foreign(dir_fd, id, budget);
    return r == 1 ? -EAGAIN : r;
}

static int remove_ephemeral(const struct prl_removal *removal)
{
    _cleanup_close_ int containers_fd = open_below(removal->dirs->runtime_fd, "containers");
    if (containers_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    return remove_in(containers_fd, removal->id, removal->budget);
}

static bool refuse(int dir_fd, const struct prl_dirent *entry, void *data)
{
    (void)dir_fd;
    (void)entry;
    (void)data;
    return false;
}

static bool remove_file(int dir_fd, const struct prl_dirent *entry, void *data)
{
    (void)data;
    return entry->d_type == DT_DIR || unlinkat(dir_fd, entry->d_name, 0) == 0;
}

/* Of a container that wrote nothing to its root: its files go, its empty directories wait for
 * the next start.  false: it must be removed as usual. */
static bool leave(int store_fd, int containers_fd, const char *id)
{
    static const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int fd = openat(containers_fd, id, how);
    _cleanup_close_ int upper_fd = fd < 0 ? -1 : openat(fd, "upper", how);
    if (upper_fd < 0 || !prl_state_each(upper_fd, refuse, NULL) ||
        renameat(containers_fd, id, store_fd, "spent") < 0)
        return false;
    (void)prl_state_each(fd, remove_file, NULL);
    return true;
}

void prl_removal_clear(const struct prl_dirs *dirs)
{
    unsigned budget = PRL_SWEEP_NAMES;
    (void)prl_io_remove_tree_foreign(dirs->data_fd, "spent", &budget);
}

/* *ret_trash_fd: where what is to be removed went; as it was: there is nothing. */
static int move_to_trash(const struct prl_removal *removal, int store_fd, int *ret_trash_fd)
{
    _cleanup_close_ int containers_fd = open_below(store_fd, "containers");
    if (containers_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (removal->patient && leave(store_fd, containers_fd, removal->id))
        return 0;
    int r = prl_scratch_remove(containers_fd, removal->id, removal->budget);
    if (r < 0)
        return r;
    r = prl_dirs_mkdir(store_fd, "trash", 0700);
    _cleanup_close_ int trash_fd = r < 0 ? -1 : open_below(store_fd, "trash");
    if (trash_fd >= 0 && renameat(containers_fd, removal->id, trash_fd, removal->id) == 0) {
        *ret_trash_fd = steal_fd(&trash_fd);
        return 0;
    }
    if (trash_fd >= 0 && errno == ENOENT)
        return 0;
    return remove_in(containers_fd, removal->id, removal->budget);
}

static int fail(const struct prl_removal *removal, int r, struct prl_error *reterr)
{
    if (r == -EAGAIN)
        return 0; /* the budget is used up: the entry stays, a later sweep goes on */
    return prl_fail_with(reterr, PRL_STAGE_STATE, -r, "remove", removal->entry->directory);
}

int prl_removal_run(const struct prl_removal *removal, struct prl_error *reterr)
{
    const struct prl_entry *entry = removal->entry;
    _cleanup_close_ int trash_fd = -1;
    _cleanup_close_ int store_fd = open_store(removal);
    if (store_fd < 0 && errno != ENOENT)
        return fail(removal, -errno, reterr);
    if (store_fd < 0) /* the whole store was removed */
        return prl_removal_forget(removal->dirs, removal->id, reterr);
    int r = removal->volumes ? prl_volumes_leave(store_fd, removal->id, entry->directory,
                                                 removal->volumes == PRL_VOLUMES_REMOVE)
                             : 0;
    if (r == 0 && entry->name[0])
        r = prl_name_release(store_fd, entry->name, removal->id, removal->patient);
    /* A name that cannot be released (read-only store) leads nowhere once the directory is
     * gone. */
    if (r == 0 || entry->ephemeral)
        r = entry->ephemeral ? remove_ephemeral(removal)
                             : move_to_trash(removal, store_fd, &trash_fd);
    if (r < 0)
        return fail(removal, r, reterr);
    r = prl_removal_forget(removal->dirs, removal->id, reterr);
    if (r < 0 || trash_fd < 0)
        return r;
    /* An open file does not go from a FUSE or NFS directory: it is renamed, and stays in it. */
    if (removal->marker_fd)
        prl_close_p(removal->marker_fd);
    r = prl_io_remove_tree_foreign(trash_fd, removal->id, removal->budget);
    return r < 0 ? fail(removal, r, reterr) : 0;
}
