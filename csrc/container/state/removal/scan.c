/* scan.c: what a boot left in the store.
 * In: DATA.  Out: containers that should have gone with their end and names that lead nowhere
 * are removed; RUNTIME/scanned-DEVICE-INODE says that this store was seen since RUNTIME was
 * made.  Never: a container whose marker is locked (a monitor of another session or host); work
 * in progress on images, whose age says nothing: its maker holds a lock, and may be another
 * host's.
 *
 * It looks at every container there is, and therefore runs once a boot and store. */
#include "base/io.h"
#include "base/own.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static int seal_name(const struct prl_dirs *dirs, char *buf, size_t size)
{
    struct stat st;
    if (fstat(dirs->data_fd, &st) < 0)
        return -errno;
    snprintf(buf, size, "scanned-%llx-%llx", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    return 0;
}

bool prl_scan_is_done(const struct prl_dirs *dirs)
{
    char name[64];
    struct stat st;
    return seal_name(dirs, name, sizeof name) == 0 &&
           fstatat(dirs->runtime_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Has an entry here: the ordinary sweep knows better. */
static bool is_known(const struct prl_dirs *dirs, const char *id)
{
    char path[32 + PRL_ID_LEN];
    struct stat st;
    snprintf(path, sizeof path, "running/%.64s", id);
    return fstatat(dirs->runtime_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int scan_container(const struct prl_dirs *dirs, int containers_fd, const char *id,
                          unsigned *budget, struct prl_error *reterr)
{
    char path[32 + PRL_ID_LEN];
    struct prl_entry entry = {.remove = true};
    snprintf(path, sizeof path, "%.64s/remove", id);
    _cleanup_close_ int marker_fd =
        openat(containers_fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (marker_fd < 0) {
        /* Killed between mkdir and the marker: empty.  Any other has content, and this does
         * nothing. */
        if (errno == ENOENT)
            unlinkat(containers_fd, id, AT_REMOVEDIR);
        return 0;
    }
    if (flock(marker_fd, LOCK_EX | LOCK_NB) < 0)
        return 0;
    /* The marker's text: the container's name and a newline. */
    ssize_t n = pread(marker_fd, entry.name, PRL_NAME_MAX, 0);
    entry.name[n > 0 ? n : 0] = '\0';
    entry.name[strcspn(entry.name, "\n")] = '\0';
    if (strchr(entry.name, '/') || entry.name[0] == '.')
        entry.name[0] = '\0';
    entry.directory = prl_io_format("%s/containers/%s", dirs->data, id);
    if (!entry.directory)
        return prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc", "path of a container");
    int r = prl_state_remove_groups(id, entry.directory); /* the runtime directory may be new,
                                                         and the machine not */
    r = r < 0 ? prl_failf(reterr, PRL_STAGE_STATE, -r, "rmdir", "control group of %.12s", id)
              : prl_removal_run(&(struct prl_removal){dirs, id, &entry, budget, false, NULL,
                                                      PRL_VOLUMES_REMOVE},
                                reterr);
    prl_entry_free(&entry);
    return r;
}

int prl_scan_run(const struct prl_dirs *dirs, unsigned *budget, struct prl_error *reterr)
{
    char name[64];
    _cleanup_closedir_ DIR *containers = prl_io_list(dirs->data_fd, "containers");
    const struct dirent *entry;
    int r = 0;
    while (containers && *budget > 0 && (entry = readdir(containers))) {
        if (!prl_entry_is_id(entry->d_name) || is_known(dirs, entry->d_name))
            continue;
        struct prl_error error;
        int one = scan_container(dirs, dirfd(containers), entry->d_name, budget, &error);
        if (one < 0 && r == 0) {
            r = one;
            *reterr = error;
        }
    }
    if (r < 0 && r != -EROFS)
        return r;
    prl_name_prune(dirs->data_fd);
    if (*budget == 0 || seal_name(dirs, name, sizeof name) < 0)
        return 0; /* not through yet: the next sweep goes on */
    r = prl_state_create_file(dirs->runtime_fd, name, "", 0);
    return r < 0 && r != -EEXIST
               ? prl_failf(reterr, PRL_STAGE_STATE, -r, "write", "%s/%s", dirs->runtime, name)
               : 0;
}
