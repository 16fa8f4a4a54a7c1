/* make.c: a new volume.
 * In: a name, labels, options.  Out: DATA/volumes/NAME, whole from its first moment: it is made
 * in DATA/tmp and renamed.  Never: two makers of one name (the rename is the lock: a volume is
 * no empty directory); an error because somebody else was faster. */
#include "container/state/volumes/parts.h"

#include "base/io.h"
#include "base/name.h"
#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

int prl_volume_token(const char *prefix, char *buf, size_t size)
{
    unsigned char bytes[8];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return -EIO;
    size_t used = (size_t)snprintf(buf, size, "%s", prefix);
    for (size_t i = 0; i < sizeof bytes && used + 2 < size; i++, used += 2)
        snprintf(buf + used, size - used, "%02x", bytes[i]);
    return 0;
}

static int sync_directory(int dir_fd, const char *name)
{
    _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The directory as it will be, but for its name. */
static int prepare(int store_fd, const char *path, const struct prl_volume_want *want)
{
    int r = prl_dirs_mkdir(store_fd, path, 0700);
    if (r == -ENOENT) { /* the store was emptied */
        r = prl_dirs_mkdir(store_fd, "tmp", 0700);
        r = r < 0 ? r : prl_dirs_mkdir(store_fd, path, 0700);
    }
    if (r != 0)
        return r < 0 ? r : -EEXIST;
    _cleanup_close_ int fd = openat(store_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = fd < 0 ? -errno : prl_dirs_mkdir(fd, "_data", 0755);
    if (r == 0)
        r = prl_dirs_mkdir(fd, "users", 0700);
    if (r == 0)
        r = prl_volume_record_write(fd, want, !want->anonymous);
    if (r == 0 && !want->anonymous && fsync(fd) < 0)
        r = -errno;
    return r;
}

/* 1: somebody was faster. */
static int commit(int store_fd, const char *path, const struct prl_volume_want *want)
{
    char target[16 + NAME_MAX];
    struct stat st;
    snprintf(target, sizeof target, "volumes/%s", want->name);
    if (fstatat(store_fd, target, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    int r = renameat(store_fd, path, store_fd, target) < 0 ? -errno : 0;
    if (r == -ENOENT) {
        r = prl_dirs_mkdir(store_fd, "volumes", 0700);
        r = r >= 0 && renameat(store_fd, path, store_fd, target) < 0 ? -errno : r < 0 ? r : 0;
    }
    if (r == -EEXIST || r == -ENOTEMPTY || r == -ENOTDIR)
        return 1;
    return r == 0 && !want->anonymous ? sync_directory(store_fd, "volumes") : r;
}

static int make(int store_fd, const struct prl_volume_want *want)
{
    char path[48];
    int r = prl_volume_token("tmp/volume-", path, sizeof path);
    if (r == 0)
        r = prepare(store_fd, path, want);
    if (r == 0)
        r = commit(store_fd, path, want);
    if (r != 0)
        (void)prl_io_remove_tree(store_fd, path);
    return r;
}

static int is_volume(int store_fd, const char *name)
{
    _cleanup_close_ int fd = prl_volume_open(store_fd, name, false);
    return fd < 0 ? fd : prl_volume_record_read(fd, NULL, NULL);
}

int prl_volume_make(const struct prl_dirs *dirs, const struct prl_volume_want *want,
                    struct prl_error *reterr)
{
    if (!prl_name_has_form(want->name, NAME_MAX))
        return prl_failf(
            reterr, PRL_STAGE_OPTIONS, EINVAL, "--volume",
            "create %.64s: \"%.64s\" includes invalid characters for a local volume "
            "name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed, two or more",
            want->name, want->name);
    int r = prl_volume_check_options(want, reterr);
    if (r < 0)
        return r;
    for (int attempt = 0; attempt < 16; attempt++) {
        r = is_volume(dirs->data_fd, want->name);
        if (r == -ENOENT)
            r = make(dirs->data_fd, want);
        else if (r == 0)
            return 1;
        if (r != 1)
            break;
    }
    if (r == -EBADMSG)
        return prl_failf(reterr, PRL_STAGE_VOLUMES, EBADMSG, "open",
                         "%s/volumes/%s is no volume of pyrootless, or its record is damaged",
                         dirs->data, want->name);
    return r < 0 ? prl_failf(reterr, PRL_STAGE_VOLUMES, -r, "create",
                             "cannot make the volume %s in %s: %s", want->name, dirs->data,
                             strerror(-r))
                 : r;
}
