/* dirs.c: where the engine lives.
 * In: --root, the environment, the user's record.  Out: struct prl_dirs, both directories open,
 * every subdirectory there.  Never: a store of a newer form; following a runtime directory that
 * another user made; failing because a store that exists is read-only (what then must write
 * says so itself). The rules are those of pyrootless/config.py: both sides must find the same
 * places. */
#include "base/io.h"
#include "base/own.h"
#include "base/sys.h"
#include "container/state/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The form of the store that is known here (pyrootless/images/store/files.py has the same). */
enum { STORE_VERSION = 1, VERSION_MAX_BYTES = 64 };

/* "trash" is made last and says that all are there: a killed prl_dirs_open is repeated. */
typedef char room[12];
static const room data_rooms[] = {"refs",  "images", "cache", "containers",
                                  "names", "tmp",    "trash", ""};
static const room runtime_rooms[] = {"containers", "mnt", "running", ""};

/* mkdir whatever the umask is.  0: made, 1: was there, -errno. */
int prl_dirs_mkdir(int dir_fd, const char *name, mode_t mode)
{
    if (mkdirat(dir_fd, name, mode) < 0)
        return errno == EEXIST ? 1 : -errno;
    return fchmodat(dir_fd, name, mode, 0) < 0 ? -errno : 0;
}

static int make_rooms(int dir_fd, const char *parent, const room *names,
                      struct prl_error *reterr)
{
    for (; **names; names++) {
        int r = prl_dirs_mkdir(dir_fd, *names, 0700);
        if (r < 0)
            return prl_failf(reterr, PRL_STAGE_STATE, -r, "mkdir", "%s/%s", parent, *names);
    }
    return 0;
}

int prl_dirs_make(const struct prl_dirs *dirs, struct prl_error *reterr)
{
    int r = make_rooms(dirs->runtime_fd, dirs->runtime, runtime_rooms, reterr);
    return r < 0 ? r : make_rooms(dirs->data_fd, dirs->data, data_rooms, reterr);
}

static int no_memory(struct prl_error *reterr)
{
    return prl_fail_with(reterr, PRL_STAGE_STATE, ENOMEM, "malloc", "paths of the engine");
}

/* 0 and *ret: a copy of HOME, or of the home directory of the user's record. */
static int find_home(const char **ret, struct prl_error *reterr)
{
    const char *home = getenv("HOME");
    if (!home || home[0] != '/') {
        const struct passwd *user = getpwuid(getuid());
        home = user ? user->pw_dir : NULL;
    }
    if (!home || home[0] != '/')
        return prl_failf(reterr, PRL_STAGE_STATE, ENOENT, "HOME",
                         "no home directory is known for uid %u (HOME is unset): say where the "
                         "store should be with --root DIR or PYROOTLESS_ROOT=DIR",
                         (unsigned)getuid());
    *ret = home;
    return 0;
}

static int data_path(const char *root, char **ret, struct prl_error *reterr)
{
    const char *given = root && root[0] ? root : getenv("PYROOTLESS_ROOT");
    const char *base = getenv("XDG_DATA_HOME");
    char cwd[PATH_MAX];
    if (given && given[0] == '/') {
        *ret = prl_io_format("%s", given);
    } else if (given && given[0]) {
        if (!getcwd(cwd, sizeof cwd))
            return prl_failf(reterr, PRL_STAGE_STATE, errno, "getcwd",
                             "the current directory is gone, and --root %s is relative to it",
                             given);
        *ret = prl_io_format("%s/%s", cwd, given);
    } else if (base && base[0] == '/') {
        *ret = prl_io_format("%s/pyrootless", base);
    } else {
        int r = find_home(&base, reterr);
        if (r < 0)
            return r;
        *ret = prl_io_format("%s/.local/share/pyrootless", base);
    }
    return *ret ? 0 : no_memory(reterr);
}

/* mkdir -p, the new ones 0700.  What is missing is found from the end, so that an existing
 * store costs nothing. */
static int make_path(char *path)
{
    if (mkdir(path, 0700) == 0)
        return chmod(path, 0700) < 0 ? -errno : 0;
    if (errno == EEXIST)
        return 0;
    if (errno != ENOENT)
        return -errno;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(path, 0700) == 0;
        int r = made ? (chmod(path, 0700) < 0 ? -errno : 0) : (errno == EEXIST ? 0 : -errno);
        *slash = '/';
        if (r < 0) /* one that exists says EEXIST even where nothing may be made */
            return r;
    }
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? 0 : -errno;
    return chmod(path, 0700) < 0 ? -errno : 0;
}

/* Nothing in it that another spelling would leave out. */
static bool is_normal(const char *path)
{
    for (const char *at = path; (at = strchr(at, '/')); at++) {
        size_t len = strcspn(at + 1, "/");
        if ((len == 0 && at > path) || (len == 1 && at[1] == '.') ||
            (len == 2 && at[1] == '.' && at[2] == '.'))
            return false;
    }
    return path[0] == '/';
}

/* Open a directory, and make its path the canonical one.  A path that can be walked without a
 * link is that already: to ask /proc for it costs the first look of a process into /proc.
 * FALLBACK (without openat2): remove when kernel >= 5.6 is required. */
static int open_canonical(char **path, int flags, int *ret_fd, struct prl_error *reterr)
{
    flags |= O_PATH | O_DIRECTORY | O_CLOEXEC;
    if (is_normal(*path)) {
        *ret_fd =
            (int)prl_sys_openat2(AT_FDCWD, *path, (uint64_t)flags, 0, PRL_RESOLVE_NO_SYMLINKS);
        if (*ret_fd >= 0)
            return 0;
    }
    *ret_fd = open(*path, flags);
    if (*ret_fd < 0)
        return -errno;
    /* The path the descriptor has: absolute, without links, so that it can be compared and
     * handed to overlayfs. Kept as it was where /proc cannot tell. */
    char link[32], real[PATH_MAX];
    ssize_t n = readlink(prl_sys_fd_path(*ret_fd, link), real, sizeof real - 1);
    if (n <= 0 || real[0] != '/')
        return 0;
    real[n] = '\0';
    if (strcmp(real, *path) == 0)
        return 0;
    char *copy = prl_io_format("%s", real);
    if (!copy)
        return no_memory(reterr);
    free(*path);
    *path = copy;
    return 0;
}

static int open_data(const char *root, struct prl_dirs *dirs, struct prl_error *reterr)
{
    int r = data_path(root, &dirs->data, reterr);
    if (r < 0)
        return r;
    /* Newlines would break the line formats of annotations and of running/ID. */
    if (strchr(dirs->data, '\n'))
        return prl_fail_with(reterr, PRL_STAGE_STATE, EINVAL, "--root",
                             "the path of the store must not contain a newline");
    r = open_canonical(&dirs->data, 0, &dirs->data_fd, reterr);
    if (r == -ENOENT) {
        r = make_path(dirs->data);
        if (r < 0)
            return prl_fail_with(reterr, PRL_STAGE_STATE, -r, "mkdir", dirs->data);
        r = open_canonical(&dirs->data, 0, &dirs->data_fd, reterr);
    }
    return r < 0 && dirs->data_fd < 0
               ? prl_fail_with(reterr, PRL_STAGE_STATE, -r, "open", dirs->data)
               : r;
}

/* A store that a newer pyrootless wrote is left alone: what lies where, and what may be swept,
 * is not known here.  One without the file holds no images, and every version may use it. */
static int check_version(const struct prl_dirs *dirs, struct prl_error *reterr)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    char *end;
    int r = prl_io_read_file(dirs->data_fd, "version", VERSION_MAX_BYTES, &text, &len);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return prl_failf(reterr, PRL_STAGE_STATE, -r, "read", "%s/version", dirs->data);
    unsigned long version = strtoul(text, &end, 10);
    if (version == 0 || (end[0] != '\0' && strcmp(end, "\n") != 0))
        return prl_failf(reterr, PRL_STAGE_STATE, EBADMSG, "version",
                         "the store's version in %s/version is damaged", dirs->data);
    if (version > STORE_VERSION)
        return prl_failf(reterr, PRL_STAGE_STATE, ENOTSUP, "version",
                         "a newer pyrootless wrote the store at %s: it has version %lu, and "
                         "this one knows version %d",
                         dirs->data, version, STORE_VERSION);
    return 0;
}

/* $XDG_RUNTIME_DIR when it is a directory of ours, else NULL.  cron, CI and su leave values
 * behind that are not. */
static const char *session_directory(void)
{
    const char *given = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    if (!given || given[0] != '/' || strchr(given, '\n') || lstat(given, &st) < 0)
        return NULL;
    return S_ISDIR(st.st_mode) && st.st_uid == geteuid() ? given : NULL;
}

/* Open dirs->runtime, which may have been made this moment.  -ENOENT, without a record: there
 * is none. */
static int enter_runtime(struct prl_dirs *dirs, bool made, struct prl_error *reterr)
{
    int r = open_canonical(&dirs->runtime, O_NOFOLLOW, &dirs->runtime_fd, reterr);
    if (r == -ENOENT)
        return r;
    if (r == -ENOTDIR || r == -ELOOP)
        return prl_failf(reterr, PRL_STAGE_STATE, ENOTDIR, "runtime directory",
                         "%s is a link or a file where a directory of your own should be: "
                         "remove it, or set XDG_RUNTIME_DIR",
                         dirs->runtime);
    if (dirs->runtime_fd < 0)
        return prl_fail_with(reterr, PRL_STAGE_STATE, -r, "open", dirs->runtime);
    if (r < 0)
        return r;
    char link[32];
    struct stat st;
    if (fstat(dirs->runtime_fd, &st) < 0)
        return prl_fail(reterr, PRL_STAGE_STATE, "fstat", dirs->runtime);
    if (st.st_uid != geteuid())
        return prl_failf(reterr, PRL_STAGE_STATE, EPERM, "runtime directory",
                         "%s belongs to uid %u, not to you: set XDG_RUNTIME_DIR to a directory "
                         "of your own, or have it removed",
                         dirs->runtime, (unsigned)st.st_uid);
    /* Just made: only the umask can have bent its mode.  The descriptor's link cannot be
     * swapped. */
    if (made && (st.st_mode & 07777) != 0700 &&
        chmod(prl_sys_fd_path(dirs->runtime_fd, link), 0700) < 0)
        return prl_fail(reterr, PRL_STAGE_STATE, "chmod", dirs->runtime);
    if (!made && (st.st_mode & 0777) != 0700)
        return prl_failf(reterr, PRL_STAGE_STATE, EPERM, "runtime directory",
                         "%s has mode %04o, others may have put things there: remove it with "
                         "\"rm -r %s\"",
                         dirs->runtime, (unsigned)st.st_mode & 07777, dirs->runtime);
    return 0;
}

static int open_runtime(struct prl_dirs *dirs, struct prl_error *reterr)
{
    const char *session = session_directory();
    dirs->runtime = session ? prl_io_format("%s/pyrootless", session)
                            : prl_io_format("/tmp/pyrootless-%u", (unsigned)geteuid());
    if (!dirs->runtime)
        return no_memory(reterr);
    int r = enter_runtime(dirs, false, reterr);
    if (r != -ENOENT)
        return r;
    bool made = mkdir(dirs->runtime, 0700) == 0;
    if (!made && errno != EEXIST)
        return prl_fail(reterr, PRL_STAGE_STATE, "mkdir", dirs->runtime);
    r = enter_runtime(dirs, made, reterr);
    return r == -ENOENT ? prl_fail_with(reterr, PRL_STAGE_STATE, ENOENT, "open", dirs->runtime)
                        : r;
}

/* Those of the runtime directory each time, since cleaners of /tmp remove empty ones; those of
 * the store once.  A read-only store is no error here: an ephemeral container needs nothing
 * from it. */
static int open_rooms(const struct prl_dirs *dirs, struct prl_error *reterr)
{
    struct stat st;
    struct prl_error ignored;
    int r = make_rooms(dirs->runtime_fd, dirs->runtime, runtime_rooms, reterr);
    if (r < 0)
        return r;
    if (fstatat(dirs->data_fd, "trash", &st, AT_SYMLINK_NOFOLLOW) < 0)
        make_rooms(dirs->data_fd, dirs->data, data_rooms, &ignored);
    return 0;
}

int prl_dirs_open(const char *root, struct prl_dirs *ret, struct prl_error *reterr)
{
    struct prl_dirs dirs = {.data_fd = -1, .runtime_fd = -1};
    int r = open_data(root, &dirs, reterr);
    if (r >= 0)
        r = check_version(&dirs, reterr);
    if (r >= 0)
        r = open_runtime(&dirs, reterr);
    if (r >= 0)
        r = open_rooms(&dirs, reterr);
    if (r < 0) {
        prl_dirs_close(&dirs);
        return r;
    }
    *ret = dirs;
    return 0;
}

static int look(struct prl_dirs *dirs, struct prl_error *reterr)
{
    if (!dirs->data || !dirs->runtime)
        return no_memory(reterr);
    int r = open_canonical(&dirs->data, 0, &dirs->data_fd, reterr);
    if (r < 0 && r != -ENOENT)
        return dirs->data_fd < 0
                   ? prl_fail_with(reterr, PRL_STAGE_STATE, -r, "open", dirs->data)
                   : r;
    r = enter_runtime(dirs, false, reterr);
    return r == -ENOENT ? 0 : r;
}

int prl_dirs_look(const char *data, const char *runtime, struct prl_dirs *ret,
                  struct prl_error *reterr)
{
    struct prl_dirs dirs = {.data = prl_io_format("%s", data),
                            .runtime = prl_io_format("%s", runtime),
                            .data_fd = -1,
                            .runtime_fd = -1};
    int r = look(&dirs, reterr);
    if (r < 0) {
        prl_dirs_close(&dirs);
        return r;
    }
    *ret = dirs;
    return 0;
}

void prl_dirs_close(struct prl_dirs *dirs)
{
    free(dirs->data);
    free(dirs->runtime);
    prl_close_p(&dirs->data_fd);
    prl_close_p(&dirs->runtime_fd);
    *dirs = (struct prl_dirs){.data_fd = -1, .runtime_fd = -1};
}
