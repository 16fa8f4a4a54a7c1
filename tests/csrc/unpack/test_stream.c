// sources: csrc/unpack/*.c csrc/userns/*.c csrc/base/**/*.c
// clang-format off
// libs: -Wl,--wrap=openat,--wrap=mkdirat,--wrap=pwrite,--wrap=write,--wrap=fchmod,--wrap=futimens,--wrap=utimensat,--wrap=close,--wrap=symlinkat,--wrap=linkat,--wrap=unlinkat,--wrap=mknodat,--wrap=fsetxattr,--wrap=ftruncate,--wrap=prl_sys_open_in_root_nofollow
// clang-format on

/* test_unpack.c: the unpacker on a disk that fails, and without whiteouts of the kernel's form.
 * In: the archives of tests/fuzz/corpus/tar; calls that fail for the nth time.
 * Out: an error that names the reason, no descriptor left, a layer that can be removed.
 * Never: a path outside a fresh directory in /tmp. */
#include "base/io.h"
#include "base/own.h"
#include "check.h"
#include "unpack/parts.h"
#include "unpack/stream.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Which call fails, in which turn, with what. */
static const char *fault_call = "";
static int fault_turn, fault_errno, fault_seen;

static int faulty(const char *call)
{
    if (strcmp(call, fault_call) != 0 || (fault_turn && ++fault_seen != fault_turn))
        return 0;
    errno = fault_errno;
    return 1;
}

#define WRAP(type, name, parameters, arguments)                                                \
    type __real_##name parameters;                                                             \
    type __wrap_##name parameters;                                                             \
    type __wrap_##name parameters                                                              \
    {                                                                                          \
        return faulty(#name) ? -1 : __real_##name arguments;                                   \
    }

WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
WRAP(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at))
WRAP(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
WRAP(int, utimensat, (int fd, const char *path, const struct timespec times[2], int flags),
     (fd, path, times, flags))
WRAP(int, symlinkat, (const char *target, int fd, const char *path), (target, fd, path))
WRAP(int, linkat, (int from, const char *old, int to, const char *path, int flags),
     (from, old, to, path, flags))
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int, mknodat, (int fd, const char *path, mode_t mode, dev_t dev), (fd, path, mode, dev))
WRAP(int, fsetxattr, (int fd, const char *name, const void *value, size_t size, int flags),
     (fd, name, value, size, flags))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, prl_sys_open_in_root_nofollow, (int fd, const char *path, int flags),
     (fd, path, flags))

int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return faulty("openat") ? -1 : __real_openat(fd, path, flags, mode);
}

/* A close that fails has closed all the same. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    int r = __real_close(fd);
    return faulty("close") ? -1 : r;
}

static int count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static char *archive;
static size_t archive_len;

/* Every archive of the corpus, one after the other: its end marker is left out. */
static void load(const char *name)
{
    char path[PATH_MAX];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, sizeof path, "%.*s/../../fuzz/corpus/tar/%s.tar", (int)(slash - __FILE__),
             __FILE__, name);
    char *data;
    size_t len;
    if (prl_io_read_file(AT_FDCWD, path, 1 << 20, &data, &len) < 0) {
        printf("  cannot read %s\n", path);
        exit(1);
    }
    archive = realloc(archive, archive_len + len);
    memcpy(archive + archive_len, data, len - 512);
    archive_len += len - 512;
    free(data);
}

static void load_all(void)
{
    static const char *const names[] = {"plain",      "pax",       "longname", "base256",
                                        "sparse-gnu", "sparse-1",  "devices",  "replaced",
                                        "libarchive", "whiteouts", "links"};
    archive_len = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        load(names[i]);
}

static int outer_fd = -1;

static int open_layer(void)
{
    char path[] = "/tmp/test-unpack-XXXXXX";
    if (outer_fd < 0) {
        if (!mkdtemp(path))
            return -1;
        outer_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (mkdirat(outer_fd, "layer", 0700) < 0)
        return -1;
    return openat(outer_fd, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* One whole run; 0 or the negative error number. */
static int run(int layer_fd, struct prl_error *error)
{
    const struct prl_unpack_limits limits = {.entries = 1000, .size_bytes = 1 << 24};
    struct prl_unpack_summary summary;
    struct prl_unpack *u = NULL;
    int r = prl_unpack_new(layer_fd, &limits, &u, error);
    if (r == 0)
        r = prl_unpack_feed(u, archive, archive_len, error);
    if (r == 0)
        r = prl_unpack_end(u, &summary, error);
    if (r == 0)
        r = prl_unpack_seal(u, error);
    prl_unpack_free(u);
    return r;
}

static int remove_layer(int layer_fd)
{
    close(layer_fd);
    return prl_io_remove_tree(outer_fd, "layer");
}

/* The nth call fails, for n = 1, 2, 3 … until it is not made so often.  Returns how often the
 * run ended with the fault's own error; -1: something else happened. */
static int fail_each(const char *call, int errnum)
{
    int ended = 0;
    for (int turn = 1; turn < 2000; turn++) {
        struct prl_error error = {0};
        int layer_fd = open_layer(), before = count_fds();
        fault_call = call;
        fault_turn = turn;
        fault_errno = errnum;
        fault_seen = 0;
        int r = run(layer_fd, &error);
        bool came = fault_seen >= turn;
        fault_call = "";
        if (r != 0 && (r != -errnum || error.errnum != errnum || !error.subject[0] ||
                       error.stage != PRL_STAGE_LAYER)) {
            printf("  %s %d: %d, %s: %s\n", call, turn, r, error.syscall, error.subject);
            return -1;
        }
        if (count_fds() != before || remove_layer(layer_fd) != 0) {
            printf("  %s %d: something is left\n", call, turn);
            return -1;
        }
        ended += r != 0;
        if (!came)
            return ended;
    }
    return -1;
}

TEST(without_a_fault)
{
    struct prl_error error = {0};
    load_all();
    int layer_fd = open_layer();
    CHECK_INT(run(layer_fd, &error), 0);
    CHECK_INT(remove_layer(layer_fd), 0);
}

TEST(disk_full)
{
    static const char *const calls[] = {"openat",    "mkdirat", "pwrite",    "write",
                                        "symlinkat", "linkat",  "fsetxattr", "ftruncate",
                                        "mknodat",   "close"};
    load_all();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        CHECK(fail_each(calls[i], ENOSPC) > 0);
}

TEST(disk_broken)
{
    static const char *const calls[] = {
        "openat",    "mkdirat",   "pwrite",    "write",  "fchmod",
        "futimens",  "utimensat", "symlinkat", "linkat", "unlinkat",
        "ftruncate", "fsetxattr", "mknodat",   "close",  "prl_sys_open_in_root_nofollow"};
    load_all();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        CHECK(fail_each(calls[i], EIO) > 0);
}

TEST(too_many_files)
{
    load_all();
    CHECK(fail_each("openat", EMFILE) > 0);
    CHECK(fail_each("prl_sys_open_in_root_nofollow", EMFILE) > 0);
}

TEST(interrupted_writes_go_on)
{
    load_all();
    CHECK_INT(fail_each("pwrite", EINTR), 0);
}

/* A file system without attributes: owners stand in the list, nothing is refused. */
TEST(no_attributes)
{
    struct prl_error error = {0};
    char *owners;
    size_t len;
    archive_len = 0;
    load("plain");
    load("libarchive");
    int layer_fd = open_layer();
    fault_call = "fsetxattr";
    fault_turn = 0;
    fault_errno = EOPNOTSUPP;
    int r = run(layer_fd, &error);
    fault_call = "";
    CHECK_INT(r, 0);
    CHECK_INT(prl_io_read_file(layer_fd, "owners", 4096, &owners, &len), 0);
    CHECK_STR(owners, "7 0 d/f\n");
    free(owners);
    CHECK_INT(remove_layer(layer_fd), 0);
}

static int whiteouts_without_mknod(int errnum, int layer_fd)
{
    struct prl_error error = {0};
    fault_call = "mknodat";
    fault_turn = 0;
    fault_errno = errnum;
    int r = run(layer_fd, &error);
    fault_call = "";
    return r;
}

/* Where devices are refused even as whiteouts: the form with attributes. */
TEST(whiteouts_by_attribute)
{
    static const int refusals[] = {EPERM, ENOSYS, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        char value[2] = "";
        struct stat st;
        archive_len = 0;
        load("whiteouts");
        int layer_fd = open_layer();
        CHECK_INT(whiteouts_without_mknod(refusals[i], layer_fd), 0);
        _cleanup_close_ int dir_fd = openat(layer_fd, "tree/d", O_RDONLY | O_CLOEXEC);
        /* It became opaque after its whiteout: that would show as a file. */
        CHECK_INT(fgetxattr(dir_fd, "user.overlay.opaque", value, 1), 1);
        CHECK_STR(value, "y");
        CHECK_INT(fstatat(dir_fd, "gone", &st, AT_SYMLINK_NOFOLLOW), 0);
        CHECK(S_ISDIR(st.st_mode));
        CHECK_INT(remove_layer(layer_fd), 0);
    }
}

TEST(a_whiteout_by_attribute_stays)
{
    char value[2] = "";
    struct stat st;
    archive_len = 0;
    load("whiteouts");
    archive_len = 512; /* its first member alone: d/.wh.gone */
    int layer_fd = open_layer();
    CHECK_INT(whiteouts_without_mknod(EPERM, layer_fd), 0);
    _cleanup_close_ int dir_fd = openat(layer_fd, "tree/d", O_RDONLY | O_CLOEXEC);
    CHECK_INT(fgetxattr(dir_fd, "user.overlay.opaque", value, 1), 1);
    CHECK_STR(value, "x");
    _cleanup_close_ int fd = openat(dir_fd, "gone", O_RDONLY | O_CLOEXEC);
    CHECK_INT(fstat(fd, &st), 0);
    CHECK(S_ISREG(st.st_mode) && st.st_size == 0);
    CHECK_INT(fgetxattr(fd, "user.overlay.whiteout", value, 1), 1);
    CHECK_INT(remove_layer(layer_fd), 0);
}

TEST(paths_are_cleaned)
{
    static const char *const table[][2] = {
        {"a", "a"},          {"./a//b/", "a/b"}, {"/a/./b", "a/b"}, {"a/..", ""},
        {"a/b/../c", "a/c"}, {"", ""},           {"///", ""},       {"..a/b..", "..a/b.."},
    };
    char clean[PATH_MAX];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        CHECK_INT(prl_unpack_path_clean(table[i][0], clean), strlen(table[i][1]));
        CHECK_STR(clean, table[i][1]);
    }
    CHECK_INT(prl_unpack_path_clean("a/../..", clean), -EBADMSG);
    CHECK_INT(prl_unpack_path_clean("..", clean), -EBADMSG);
}

TEST(long_paths)
{
    static char raw[2 * PATH_MAX], clean[PATH_MAX], encoded[3 * PATH_MAX];
    memset(raw, 'x', NAME_MAX);
    CHECK_INT(prl_unpack_path_clean(raw, clean), NAME_MAX);
    raw[NAME_MAX] = 'x';
    CHECK_INT(prl_unpack_path_clean(raw, clean), -ENAMETOOLONG);
    for (size_t i = 0; i < PATH_MAX; i++)
        raw[i] = i % 2 ? '/' : '\n';
    raw[PATH_MAX - 1] = '\0';
    CHECK_INT(prl_unpack_path_clean(raw, clean), PATH_MAX - 1);
    CHECK_INT(prl_unpack_path_encode(clean, encoded), PATH_MAX / 2 * 3 + PATH_MAX / 2 - 1);
    raw[PATH_MAX - 1] = '/';
    raw[PATH_MAX] = 'x';
    CHECK_INT(prl_unpack_path_clean(raw, clean), -ENAMETOOLONG);
}
