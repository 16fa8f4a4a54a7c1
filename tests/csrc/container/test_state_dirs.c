// sources: csrc/userns/*.c csrc/base/**/*.c csrc/container/state/**/*.c csrc/limits/**/*.c
// sources: csrc/container/events/*.c
// libs: -lyyjson
/* test_state_dirs.c: where the engine lives: environments, strangers' directories, read-only
 * and full stores. In: environments, a private /tmp.  Out: the directories chosen, or the
 * error.  Never: a mount outside of a private mount namespace. */
#include "state_fixture.h"

TEST(store_comes_from_the_environment)
{
    fresh(0);
    char path[PATH_MAX], cwd[PATH_MAX];
    struct prl_dirs d;
    setenv("PYROOTLESS_ROOT", data, 1);
    CHECK_INT(prl_dirs_open(NULL, &d, &error), 0);
    CHECK_STR(d.data, data);
    snprintf(path, sizeof path, "%s/pyrootless", session);
    CHECK_STR(d.runtime, path);
    CHECK_INT(fcntl(d.data_fd, F_GETFD) & fcntl(d.runtime_fd, F_GETFD), FD_CLOEXEC);
    prl_dirs_close(&d);
    prl_dirs_close(&d);
    unsetenv("PYROOTLESS_ROOT");
    setenv("HOME", top, 1);
    setenv("XDG_DATA_HOME", "relative", 1);
    CHECK_INT(prl_dirs_open(NULL, &d, &error), 0);
    snprintf(path, sizeof path, "%s/.local/share/pyrootless", top);
    CHECK_STR(d.data, path);
    CHECK_INT(mode_of(AT_FDCWD, path), 0700);
    prl_dirs_close(&d);
    snprintf(path, sizeof path, "%s/xdg", top);
    setenv("XDG_DATA_HOME", path, 1);
    CHECK_INT(prl_dirs_open("", &d, &error), 0);
    snprintf(path, sizeof path, "%s/xdg/pyrootless", top);
    CHECK_STR(d.data, path);
    prl_dirs_close(&d);
    unsetenv("XDG_DATA_HOME");
    if (!getcwd(cwd, sizeof cwd) || chdir(top) < 0)
        exit(99);
    CHECK_INT(symlink("data", "link"), 0);
    CHECK_INT(prl_dirs_open("link", &d, &error), 0);
    CHECK_STR(d.data, data); /* absolute, and without links */
    prl_dirs_close(&d);
    CHECK_INT(symlink(top, "up"), 0);
    static const char *const spellings[] = {"up/data",       "./data",       "data/",
                                            "data/../data",  "data/.",       ".//data",
                                            "up/./up//data", "data/refs/..", NULL};
    for (const char *const *typed = spellings; *typed; typed++) {
        CHECK_INT(prl_dirs_open(*typed, &d, &error), 0);
        CHECK_STR(d.data, data);
        CHECK_INT(fcntl(d.data_fd, F_GETFD), FD_CLOEXEC);
        prl_dirs_close(&d);
    }
    CHECK_INT(prl_dirs_open("a\nb", &d, &error), -EINVAL);
    CHECK_INT(prl_dirs_open("run/file/x", &d, &error), 0);
    prl_dirs_close(&d);
    int fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    CHECK_INT(prl_dirs_open("file", &d, &error), -ENOTDIR);
    CHECK_INT(prl_dirs_open("file/x", &d, &error), -ENOTDIR);
    CHECK_INT(chdir(cwd), 0);
    end();
}

/* What DATA/version says → what opening the store says. */
TEST(a_store_of_another_version)
{
    static const struct {
        const char *text;
        int r;
    } rows[] = {
        {"1\n", 0},        {"1", 0},
        {"2\n", -ENOTSUP}, {"99999999999999999999", -ENOTSUP},
        {"", -EBADMSG},    {"one\n", -EBADMSG},
        {"0\n", -EBADMSG}, {"1 2\n", -EBADMSG},
    };
    struct prl_dirs d;
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd =
            openat(dirs.data_fd, "version", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK_INT(write(fd, rows[i].text, strlen(rows[i].text)), (ssize_t)strlen(rows[i].text));
        close(fd);
        CHECK_INT(prl_dirs_open(data, &d, &error), rows[i].r);
        if (rows[i].r == 0)
            prl_dirs_close(&d);
        else
            CHECK_INT(error.stage, PRL_STAGE_STATE);
    }
    CHECK_INT(unlinkat(dirs.data_fd, "version", 0), 0);
    CHECK_INT(mkfifoat(dirs.data_fd, "version", 0600), 0);
    CHECK_INT(prl_dirs_open(data, &d, &error), -EINVAL); /* and nobody waits */
    end();
}

static int homeless_body(void)
{
    if (setgid(54321) < 0 || setuid(54321) < 0)
        return 98;
    unsetenv("HOME");
    unsetenv("XDG_DATA_HOME");
    if (prl_dirs_open(NULL, &dirs, &error) != -ENOENT || error.stage != PRL_STAGE_STATE)
        return 1;
    return strcmp(error.subject,
                  "no home directory is known for uid 54321 (HOME is unset): say "
                  "where the store should be with --root DIR or "
                  "PYROOTLESS_ROOT=DIR") != 0;
}

static int nobody_body(void)
{
    if (setgid(STRANGER) < 0 || setuid(STRANGER) < 0)
        return 98;
    setenv("HOME", "relative", 1);
    unsetenv("XDG_DATA_HOME");
    /* Debian's nobody lives in /nonexistent: the record was asked, and the error names the path
     */
    if (prl_dirs_open(NULL, &dirs, &error) != -EACCES)
        return 1;
    return strcmp(error.subject, "/nonexistent/.local/share/pyrootless") != 0;
}

TEST(no_home)
{
    if (geteuid() != 0) {
        printf("  needs root: skipped\n");
        return;
    }
    fresh(0);
    CHECK_INT(in_child(homeless_body), 0);
    CHECK_INT(in_child(nobody_body), 0);
    end();
}

static int map_self(const char *file, unsigned id)
{
    char line[64];
    int n = snprintf(line, sizeof line, "%u %u 1", id, id);
    return prl_io_write_file(AT_FDCWD, file, line, (size_t)n, 0, 0);
}

/* A private mount namespace with its own /tmp. */
static int private_tmp(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return NO_NAMESPACE;
    if (uid != 0 &&
        (prl_io_write_file(AT_FDCWD, "/proc/self/setgroups", "deny", 4, 0, 0) < 0 ||
         map_self("/proc/self/uid_map", uid) < 0 || map_self("/proc/self/gid_map", gid) < 0))
        return NO_NAMESPACE;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") < 0)
        return NO_NAMESPACE;
    return mkdir("/tmp/data", 0700) < 0 ? 97 : 0;
}

static char fallback[64];

/* What prl_dirs_open says about the fallback directory: 0 when it is taken. */
static int try_fallback(void)
{
    int r = prl_dirs_open("/tmp/data", &dirs, &error);
    if (r == 0 && strcmp(dirs.runtime, fallback) != 0)
        r = -EREMCHG;
    if (r == 0 && mode_of(dirs.runtime_fd, ".") != 0700)
        r = -ERANGE;
    if (r == 0)
        prl_dirs_close(&dirs);
    return r;
}

static int fallback_body(void)
{
    int r = private_tmp();
    if (r)
        return r;
    snprintf(fallback, sizeof fallback, "/tmp/pyrootless-%u", (unsigned)geteuid());
    static const char *const useless[] = {"relative", "/nonexistent", "", "/tmp/link",
                                          "/tmp/file"};
    if (symlink("/tmp/data", "/tmp/link") < 0 || mknod("/tmp/file", S_IFREG | 0600, 0) < 0)
        return 1;
    for (size_t i = 0; i < sizeof useless / sizeof useless[0]; i++) {
        setenv("XDG_RUNTIME_DIR", useless[i], 1);
        if (try_fallback() != 0)
            return 10 + (int)i;
    }
    unsetenv("XDG_RUNTIME_DIR");
    if (try_fallback() != 0)
        return 2;
    if (chmod(fallback, 0750) < 0 || try_fallback() != -EPERM ||
        !strstr(error.subject, "has mode 0750"))
        return 3;
    prl_io_remove_tree(AT_FDCWD, fallback);
    if (symlink("/tmp/data", fallback) < 0 || try_fallback() != -ENOTDIR)
        return 4;
    unlink(fallback);
    if (mknod(fallback, S_IFREG | 0600, 0) < 0 || try_fallback() != -ENOTDIR)
        return 5;
    unlink(fallback);
    if (mkdir(fallback, 0700) < 0)
        return 6;
    if (chown(fallback, STRANGER, STRANGER) == 0 &&
        (try_fallback() != -EPERM || !strstr(error.subject, "belongs to uid 65534")))
        return 7;
    return 0;
}

static int in_namespace(int (*body)(void))
{
    int r = in_child(body);
    if (r == NO_NAMESPACE)
        printf("  no mount namespaces here: skipped\n");
    return r == NO_NAMESPACE ? 0 : r;
}

TEST(runtime_directory_without_a_session)
{
    CHECK_INT(in_namespace(fallback_body), 0);
}

static int readonly_body(void)
{
    int r = private_tmp();
    if (r)
        return r;
    struct prl_state state;
    setenv("XDG_RUNTIME_DIR", "", 1);
    if (mount("tmpfs", "/tmp/data", "tmpfs", MS_RDONLY, NULL) < 0 ||
        prl_dirs_open("/tmp/data", &dirs, &error) < 0)
        return 1;
    if (create(NULL, true, true, &state) < 0 ||
        prl_state_write_config(&state, "{}", 2, &error) < 0 ||
        mark_begun(&state, getpid()) < 0 || prl_state_sweep(&dirs, &error) != 0 ||
        prl_state_finish(&dirs, &state, &error) < 0)
        return 2;
    if (create(NULL, true, false, &state) != -EROFS ||
        strncmp(error.subject, "/tmp/data/", 10) != 0)
        return 3;
    if (create("web", true, true, &state) >= 0 || strcmp(error.subject, "/tmp/data/names") != 0)
        return 4;
    char path[96];
    snprintf(path, sizeof path, "/tmp/pyrootless-%u/running", (unsigned)geteuid());
    DIR *running = opendir(path);
    if (!running)
        return 6;
    for (const struct dirent *entry; (entry = readdir(running));)
        if (prl_entry_is_id(entry->d_name))
            return 5;
    closedir(running);
    return 0;
}

TEST(readonly_store)
{
    CHECK_INT(in_namespace(readonly_body), 0);
}

static int full_body(void)
{
    int r = private_tmp();
    if (r)
        return r;
    struct prl_state state;
    setenv("XDG_RUNTIME_DIR", "", 1);
    /* room for the store's own directories and for one more */
    if (mount("tmpfs", "/tmp/data", "tmpfs", 0, "nr_inodes=9") < 0 ||
        prl_dirs_open("/tmp/data", &dirs, &error) < 0)
        return 1;
    if (create("web", true, false, &state) != -ENOSPC ||
        strncmp(error.subject, "/tmp/data/containers/", 21) != 0)
        return 2;
    struct stat st;
    if (stat("/tmp/data/containers", &st) < 0 || st.st_nlink != 2)
        return 3;
    return stat("/tmp/data/trash", &st) < 0 || st.st_nlink != 2 ? 4 : 0;
}

TEST(full_store)
{
    CHECK_INT(in_namespace(full_body), 0);
}
