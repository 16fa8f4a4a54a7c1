/* names.c: names of containers.
 * In: a name and a container.  Out: DATA/names/NAME, a link to the container's directory.
 * Never: a name taken from a container that is still there.
 *
 * A name is made after the directory it points to and removed before it, so that a link that
 * leads nowhere belongs to nobody (a crash, a reboot, an `rm -r`).  Making a name is one
 * symlink(2), which is the lock.  Taking over and releasing look before they remove, and
 * therefore happen under a flock of names/. */
#include "base/io.h"
#include "base/name.h"
#include "base/own.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

int prl_name_check(const char *name, struct prl_error *reterr)
{
    if (prl_name_has_form(name, PRL_NAME_MAX))
        return 0;
    return prl_failf(reterr, PRL_STAGE_OPTIONS, EINVAL, "--name",
                     "\"%.64s\" is not a name: 2 to %d letters, digits, \"_\", \".\", \"-\", "
                     "beginning with a letter or digit",
                     name, PRL_NAME_MAX);
}

/* Target of names/NAME; false when it is no link. */
static bool read_target(int names_fd, const char *name, char *target, size_t size)
{
    ssize_t n = readlinkat(names_fd, name, target, size - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    return true;
}

static const char *target_id(const char *target)
{
    const char *slash = strrchr(target, '/');
    return slash ? slash + 1 : target;
}

int prl_name_find(int data_fd, const char *name, char id[PRL_ID_LEN + 1])
{
    char target[PATH_MAX];
    if (strchr(name, '/') || name[0] == '.')
        return 0;
    _cleanup_close_ int names_fd = openat(data_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (names_fd < 0 || !read_target(names_fd, name, target, sizeof target) ||
        !prl_entry_is_id(target_id(target)))
        return 0;
    memcpy(id, target_id(target), PRL_ID_LEN + 1);
    return 1;
}

bool prl_name_is_lost(int data_fd, const char *name, const char *id)
{
    char holder[PRL_ID_LEN + 1];
    return !prl_name_find(data_fd, name, holder) || strcmp(holder, id) != 0;
}

void prl_name_each(int data_fd, void (*visit)(const char *name, const char *id, void *data),
                   void *data)
{
    char target[PATH_MAX];
    _cleanup_closedir_ DIR *names = data_fd < 0 ? NULL : prl_io_list(data_fd, "names");
    for (const struct dirent *entry; names && (entry = readdir(names));)
        if (read_target(dirfd(names), entry->d_name, target, sizeof target) &&
            prl_entry_is_id(target_id(target)))
            visit(entry->d_name, target_id(target), data);
}

static bool is_dangling(int names_fd, const char *name)
{
    struct stat st;
    return fstatat(names_fd, name, &st, 0) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* 0: locked (or this file system knows no locks), -EWOULDBLOCK. */
static int lock_names(int names_fd, bool patient)
{
    for (;;) {
        if (flock(names_fd, LOCK_EX | (patient ? 0 : LOCK_NB)) == 0)
            return 0;
        if (errno != EINTR)
            return errno == EWOULDBLOCK ? -EWOULDBLOCK : 0;
    }
}

static int taken(const struct prl_dirs *dirs, int names_fd, const char *name,
                 struct prl_error *reterr)
{
    char target[PATH_MAX];
    struct prl_error ignored;
    unsigned budget = PRL_SWEEP_NAMES;
    if (!read_target(names_fd, name, target, sizeof target)) {
        if (errno == ENOENT)
            return 1; /* released this moment */
        return prl_failf(reterr, PRL_STAGE_STATE, EEXIST, "--name",
                         "%s/names/%s is not a link of ours: remove it", dirs->data, name);
    }
    const char *id = target_id(target);
    if (is_dangling(names_fd, name) ||
        (prl_entry_is_id(id) && prl_sweep_one(dirs, id, &budget, &ignored) == 1 &&
         is_dangling(names_fd, name))) {
        /* The name leads nowhere, or its holder is dead and was just swept: free it. */
        if (lock_names(names_fd, true) == 0 && is_dangling(names_fd, name))
            unlinkat(names_fd, name, 0);
        flock(names_fd, LOCK_UN);
        return 1;
    }
    return prl_failf(
        reterr, PRL_STAGE_STATE, EEXIST, "--name",
        "Conflict. The container name \"/%s\" is already in use by container "
        "\"%.12s\". You have to remove (or rename) that container to be able to reuse "
        "that name.",
        name, id);
}

static void describe_target(const struct prl_state *state, char *target, size_t size)
{
    if (state->ephemeral)
        snprintf(target, size, "%s", state->path);
    else
        snprintf(target, size, "../containers/%s", state->id);
}

int prl_name_offer(const struct prl_dirs *dirs, const struct prl_state *state,
                   struct prl_error *reterr)
{
    char target[PATH_MAX], link[PRL_NAME_MAX + 16];
    describe_target(state, target, sizeof target);
    snprintf(link, sizeof link, "names/%s", state->name);
    if (symlinkat(target, dirs->data_fd, link) == 0)
        return 0;
    return errno == EEXIST ? 1
                           : prl_failf(reterr, PRL_STAGE_STATE, errno, "symlink", "%s/%s",
                                       dirs->data, link);
}

int prl_name_take(const struct prl_dirs *dirs, const struct prl_state *state,
                  struct prl_error *reterr)
{
    char target[PATH_MAX];
    _cleanup_close_ int names_fd =
        openat(dirs->data_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (names_fd < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, errno, "open", "%s/names", dirs->data);
    describe_target(state, target, sizeof target);
    for (int attempt = 0; attempt < 16; attempt++) {
        if (symlinkat(target, names_fd, state->name) == 0)
            return 0;
        if (errno != EEXIST)
            break;
        int r = taken(dirs, names_fd, state->name, reterr);
        if (r < 0)
            return r;
        errno = EEXIST;
    }
    return prl_failf(reterr, PRL_STAGE_STATE, errno, "symlink", "%s/names/%s", dirs->data,
                     state->name);
}

int prl_name_release(int data_fd, const char *name, const char *id, bool patient)
{
    char target[PATH_MAX];
    _cleanup_close_ int names_fd = openat(data_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (names_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (lock_names(names_fd, patient) < 0)
        return 0; /* it will lead nowhere, and is taken over or pruned */
    if (!read_target(names_fd, name, target, sizeof target) ||
        strcmp(target_id(target), id) != 0)
        return 0;
    return unlinkat(names_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int prl_name_release_all(int data_fd, const char *id)
{
    char target[PATH_MAX];
    int result = 0;
    _cleanup_closedir_ DIR *names = prl_io_list(data_fd, "names");
    if (!names)
        return errno == ENOENT ? 0 : -errno;
    for (const struct dirent *entry; (entry = readdir(names));)
        if (read_target(dirfd(names), entry->d_name, target, sizeof target) &&
            strcmp(target_id(target), id) == 0) {
            int r = prl_name_release(data_fd, entry->d_name, id, true);
            result = r < 0 ? r : result;
        }
    return result;
}

int prl_name_prune(int data_fd)
{
    _cleanup_closedir_ DIR *names = prl_io_list(data_fd, "names");
    if (!names)
        return errno == ENOENT ? 0 : -errno;
    int fd = dirfd(names);
    if (lock_names(fd, false) < 0)
        return 0;
    for (const struct dirent *entry; (entry = readdir(names));)
        if (entry->d_name[0] != '.' && is_dangling(fd, entry->d_name))
            unlinkat(fd, entry->d_name, 0);
    return 0;
}
