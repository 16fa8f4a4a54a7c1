/* scratch.c: a local place for what containers write, where the store's file system
 * cannot take it.
 * In: a container's directory.  Out: its upper/ and work/, there or as links to
 * $PYROOTLESS_SCRATCH/ID (/var/tmp/pyrootless-UID/ID); their removal.  Never: memory (that is
 * --ephemeral, which must be asked for); a scratch directory that others could have made;
 * removing through a link that does not say this container's id.
 *
 * The links are made before the directories: killed in between, the removal still finds them.
 * Source: overlayfs.rst ("upper filesystem"), statfs(2). */
#include "base/io.h"
#include "base/own.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

/* Over a network, in a program, or an overlay: no upper of an overlay for the kernel.  The
 * names stand in pyrootless/host/user.py. */
static const uint32_t foreign_types[] = {
    0x6969,     /* nfs */
    0xff534d42, /* cifs */
    0xfe534d42, /* smb3 */
    0x517b,     /* smbfs */
    0x0bd00bd0, /* lustre */
    0x47504653, /* gpfs */
    0x19830326, /* beegfs */
    0x00c36400, /* ceph */
    0x5346414f, /* afs */
    0x01021997, /* 9p */
    0x20030528, /* orangefs */
    0x65735546, /* fuse */
    0x794c7630, /* overlay */
};

bool prl_scratch_is_needed(int dir_fd)
{
    struct statfs fs;
    if (fstatfs(dir_fd, &fs) < 0)
        return false;
    for (size_t i = 0; i < sizeof foreign_types / sizeof *foreign_types; i++)
        if ((uint32_t)fs.f_type == foreign_types[i])
            return true;
    /* Asked for an attribute it cannot have: is it only missing? */
    return fgetxattr(dir_fd, "user.overlay.opaque", NULL, 0) < 0 && errno == ENOTSUP;
}

int prl_scratch_path(char *path)
{
    const char *given = getenv("PYROOTLESS_SCRATCH");
    if (given && given[0] == '/')
        return snprintf(path, PATH_MAX, "%s", given) < PATH_MAX ? 0 : -ENAMETOOLONG;
    snprintf(path, PATH_MAX, "/var/tmp/pyrootless-%u", (unsigned)geteuid());
    return 0;
}

/* Ours alone, and no link: /var/tmp is everybody's. */
static int check_scratch(int fd, const char *path, struct prl_error *reterr)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_STATE, "fstat", path);
    if (st.st_uid == geteuid() && (st.st_mode & 0777) == 0700)
        return 0;
    return prl_failf(
        reterr, PRL_STAGE_STATE, EPERM, "scratch directory",
        "%s belongs to uid %u and has mode %04o, it must be yours and 0700: remove "
        "it, or name another with PYROOTLESS_SCRATCH=DIR",
        path, (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
}

static int open_scratch(char *path, struct prl_error *reterr)
{
    int r = prl_scratch_path(path);
    if (r == 0)
        r = prl_dirs_mkdir(AT_FDCWD, path, 0700);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_STATE, -r, "mkdir", path);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return prl_fail(reterr, PRL_STAGE_STATE, "open", path);
    r = check_scratch(fd, path, reterr);
    return r < 0 ? r : steal_fd(&fd);
}

int prl_scratch_make(const struct prl_state *state, struct prl_error *reterr)
{
    static const char names[][8] = {"upper", "work"};
    char path[PATH_MAX], target[PATH_MAX];
    _cleanup_close_ int scratch_fd = open_scratch(path, reterr);
    if (scratch_fd < 0)
        return scratch_fd;
    if (prl_scratch_is_needed(scratch_fd))
        return 1; /* no better than the store */
    for (size_t i = 0; i < 2; i++) {
        int n = snprintf(target, sizeof target, "%s/%s/%s", path, state->id, names[i]);
        if (n >= (int)sizeof target)
            return prl_fail_with(reterr, PRL_STAGE_STATE, ENAMETOOLONG, "symlink", path);
        if (symlinkat(target, state->dir_fd, names[i]) < 0)
            return prl_fail(reterr, PRL_STAGE_STATE, "symlink", target);
    }
    int r = prl_dirs_mkdir(scratch_fd, state->id, 0700);
    _cleanup_close_ int fd =
        r < 0 ? -1 : openat(scratch_fd, state->id, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        r = prl_dirs_mkdir(fd, "upper", 0755);
    if (fd >= 0 && r >= 0)
        r = prl_dirs_mkdir(fd, "work", 0700);
    return fd < 0 || r < 0
               ? prl_fail_with(reterr, PRL_STAGE_STATE, r < 0 ? -r : errno, "mkdir", target)
               : 0;
}

int prl_scratch_remove(int containers_fd, const char *id, unsigned *budget)
{
    char name[PRL_ID_LEN + 16], target[PATH_MAX], tail[PRL_ID_LEN + 16];
    snprintf(name, sizeof name, "%.64s/upper", id);
    snprintf(tail, sizeof tail, "/%.64s/upper", id);
    ssize_t n = readlinkat(containers_fd, name, target, sizeof target - 1);
    size_t tail_len = strlen(tail);
    if (n <= (ssize_t)tail_len)
        return 0; /* a directory, or nothing: it goes with the container's own */
    target[n] = '\0';
    if (target[0] != '/' || strcmp(target + n - tail_len, tail) != 0)
        return 0;
    target[n - (ssize_t)tail_len] = '\0';
    _cleanup_close_ int scratch_fd =
        open(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (scratch_fd < 0)
        return 0; /* cleaned by others: /var/tmp does not last for ever */
    int r = prl_io_remove_tree_foreign(scratch_fd, id, budget);
    return r == 1 ? -EAGAIN : r;
}
