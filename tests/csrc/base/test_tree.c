// sources: csrc/userns/*.c csrc/base/**/*.c
/* test_tree.c: removing trees: modes, depth, width, links, mounts, budgets, company.
 * In: trees below a fresh directory in /tmp.  Out: what is left of them.  Never: a path outside
 * of it. */
#include "base/io.h"
#include "base/sys.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRANGER = 65534, DEEP = 10000 };

static char top[64];
static int top_fd = -1;

/* A fresh directory; with root's help it belongs to a user for whom modes count. */
static void fresh(uid_t owner)
{
    snprintf(top, sizeof top, "/tmp/prl-tree-XXXXXX");
    if (!mkdtemp(top) || (owner != 0 && geteuid() == 0 && chown(top, owner, owner) < 0))
        exit(99);
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void done(void)
{
    close(top_fd);
    rmdir(top);
}

/* Run as a user for whom modes count; the child's return value comes back. */
static int as_user(int (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(STRANGER) < 0 || setuid(STRANGER) < 0))
            _exit(98);
        _exit(body());
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

static int touch(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : close(fd);
}

static int exists(const char *name)
{
    struct stat st;
    return fstatat(top_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* name/d/d/d… with a file at the bottom; every `closed`th directory gets mode 0. */
static int make_deep(const char *name, int levels, int closed)
{
    int fd = top_fd;
    for (int i = 0; i < levels; i++) {
        const char *step = i == 0 ? name : "d";
        if (mkdirat(fd, step, 0700) < 0)
            return -1;
        int next = openat(fd, step, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd != top_fd && closed && i % closed == 0)
            fchmod(fd, 0);
        if (fd != top_fd)
            close(fd);
        fd = next;
    }
    int r = touch(fd, "bottom");
    return close(fd) < 0 ? -1 : r;
}

TEST(files_links_and_nothing)
{
    fresh(0);
    CHECK_INT(mkdirat(top_fd, "kept", 0700), 0);
    CHECK_INT(touch(top_fd, "kept/file"), 0);
    CHECK_INT(touch(top_fd, "file"), 0);
    CHECK_INT(symlinkat("kept", top_fd, "link"), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, "missing"), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, "file"), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, "link"), 0);
    CHECK(!exists("file") && !exists("link") && exists("kept/file"));
    CHECK_INT(prl_io_remove_tree(top_fd, "kept"), 0);
    CHECK(!exists("kept"));
    done();
}

TEST(paths_and_names_that_are_none)
{
    fresh(0);
    CHECK_INT(mkdirat(top_fd, "a", 0700), 0);
    CHECK_INT(mkdirat(top_fd, "a/b", 0700), 0);
    CHECK_INT(touch(top_fd, "a/b/file"), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, ""), -EINVAL);
    CHECK_INT(prl_io_remove_tree(top_fd, "a/"), -EINVAL);
    CHECK_INT(prl_io_remove_tree(top_fd, "a/.."), -EINVAL);
    CHECK_INT(prl_io_remove_tree(top_fd, "."), -EINVAL);
    CHECK_INT(prl_io_remove_tree(top_fd, "missing/b"), 0);
    CHECK(exists("a/b/file"));
    CHECK_INT(prl_io_remove_tree(top_fd, "a/b"), 0);
    CHECK(exists("a") && !exists("a/b"));
    CHECK_INT(prl_io_remove_tree(-1, top), 0); /* absolute: dir_fd does not matter */
    CHECK_INT(access(top, F_OK), -1);
    close(top_fd);
}

TEST(links_inside_are_not_followed)
{
    fresh(0);
    char outside[128];
    snprintf(outside, sizeof outside, "%s/outside", top);
    CHECK_INT(mkdirat(top_fd, "outside", 0700), 0);
    CHECK_INT(touch(top_fd, "outside/file"), 0);
    CHECK_INT(mkdirat(top_fd, "tree", 0700), 0);
    CHECK_INT(mkdirat(top_fd, "tree/sub", 0700), 0);
    CHECK_INT(symlinkat(outside, top_fd, "tree/absolute"), 0);
    CHECK_INT(symlinkat("../../outside", top_fd, "tree/sub/relative"), 0);
    CHECK_INT(symlinkat("../..", top_fd, "tree/sub/up"), 0);
    CHECK_INT(mkfifoat(top_fd, "tree/sub/fifo", 0600), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, "tree"), 0);
    CHECK(!exists("tree") && exists("outside/file"));
    CHECK_INT(prl_io_remove_tree(top_fd, "outside"), 0);
    done();
}

static int closed_body(void)
{
    if (mkdirat(top_fd, "tree", 0700) < 0 || mkdirat(top_fd, "tree/work", 0700) < 0 ||
        mkdirat(top_fd, "tree/work/work", 0) < 0 || mkdirat(top_fd, "tree/full", 0700) < 0 ||
        mkdirat(top_fd, "tree/full/sub", 0700) < 0 || touch(top_fd, "tree/full/sub/file") < 0)
        return 1;
    fchmodat(top_fd, "tree/full/sub/file", 0, 0);
    fchmodat(top_fd, "tree/full/sub", 0100, 0);
    fchmodat(top_fd, "tree/full", 0, 0);
    fchmodat(top_fd, "tree", 0500, 0);
    if (prl_io_remove_tree(top_fd, "tree") != 0)
        return 2;
    return exists("tree") ? 3 : 0;
}

TEST(directories_without_permissions)
{
    fresh(STRANGER);
    CHECK_INT(as_user(closed_body), 0);
    done();
}

static int deep_body(void)
{
    struct rlimit few = {40, 40};
    if (make_deep("tree", DEEP, 7) < 0)
        return 1;
    setrlimit(RLIMIT_NOFILE, &few);
    if (prl_io_remove_tree(top_fd, "tree") != 0)
        return 2;
    return exists("tree") ? 3 : 0;
}

TEST(ten_thousand_levels_closed_and_few_descriptors)
{
    fresh(STRANGER);
    CHECK_INT(as_user(deep_body), 0);
    done();
}

/* Bushy below the depth that is walked, and the names used for moving are taken already. */
TEST(bushy_and_deep_with_names_taken)
{
    fresh(0);
    char path[256] = "tree";
    CHECK_INT(mkdirat(top_fd, "tree", 0700), 0);
    char taken[64];
    snprintf(taken, sizeof taken, "tree/.deep-%d-0", (int)getpid());
    CHECK_INT(mkdirat(top_fd, taken, 0700), 0);
    snprintf(taken, sizeof taken, "tree/.deep-%d-0/file", (int)getpid());
    CHECK_INT(touch(top_fd, taken), 0);
    snprintf(taken, sizeof taken, "tree/.deep-%d-1", (int)getpid());
    CHECK_INT(touch(top_fd, taken), 0);
    snprintf(taken, sizeof taken, "tree/.deep-%d-2", (int)getpid());
    CHECK_INT(mkdirat(top_fd, taken, 0700), 0);
    for (int i = 0; i < 40; i++) {
        strcat(path, "/d");
        CHECK_INT(mkdirat(top_fd, path, 0700), 0);
        for (int k = 0; k < 5; k++) {
            char name[300];
            snprintf(name, sizeof name, "%s/s%d", path, k);
            CHECK_INT(mkdirat(top_fd, name, 0700), 0);
            strcat(name, "/file");
            CHECK_INT(touch(top_fd, name), 0);
        }
    }
    CHECK_INT(prl_io_remove_tree(top_fd, "tree"), 0);
    CHECK(!exists("tree"));
    done();
}

static int make_wide(int files)
{
    if (mkdirat(top_fd, "tree", 0700) < 0)
        return -1;
    for (int i = 0; i < files; i++) {
        char name[64];
        snprintf(name, sizeof name, "tree/file-%d", i);
        if (touch(top_fd, name) < 0)
            return -1;
    }
    return 0;
}

TEST(twenty_thousand_files)
{
    fresh(0);
    CHECK_INT(make_wide(20000), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, "tree"), 0);
    CHECK(!exists("tree"));
    done();
}

TEST(budget_stops_and_goes_on)
{
    fresh(0);
    CHECK_INT(make_wide(100), 0);
    unsigned budget = 11, calls = 1; /* one for the tree itself, ten files */
    CHECK_INT(prl_io_remove_tree_some(top_fd, "tree", &budget), 1);
    CHECK_INT(budget, 0);
    CHECK_INT(prl_io_remove_tree_some(top_fd, "tree", &budget), 1);
    int left = 0;
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "tree/file-%d", i);
        left += exists(name);
    }
    CHECK_INT(left, 90);
    for (int r = 1; r == 1; calls++) {
        budget = 11;
        r = prl_io_remove_tree_some(top_fd, "tree", &budget);
        CHECK(r >= 0 && calls < 20);
    }
    CHECK(!exists("tree"));
    CHECK_INT(calls, 11);
    done();
}

static int foreign_body(void)
{
    if (prl_io_remove_tree(top_fd, "tree") != -EACCES &&
        prl_io_remove_tree(top_fd, "tree") != -EPERM)
        return 1;
    return exists("tree/mine") ? 2 : !exists("tree/d/theirs/file") ? 3 : 0;
}

/* What cannot be removed is reported, and does not keep the rest. */
TEST(what_belongs_to_others_stays)
{
    if (geteuid() != 0) {
        printf("  needs root: skipped\n");
        return;
    }
    fresh(STRANGER);
    CHECK_INT(mkdirat(top_fd, "tree", 0700), 0);
    CHECK_INT(mkdirat(top_fd, "tree/d", 0700), 0);
    CHECK_INT(mkdirat(top_fd, "tree/d/theirs", 0755), 0);
    CHECK_INT(touch(top_fd, "tree/d/theirs/file"), 0);
    CHECK_INT(mkdirat(top_fd, "tree/mine", 0700), 0);
    CHECK_INT(fchownat(top_fd, "tree", STRANGER, STRANGER, 0), 0);
    CHECK_INT(fchownat(top_fd, "tree/d", STRANGER, STRANGER, 0), 0);
    CHECK_INT(fchownat(top_fd, "tree/mine", STRANGER, STRANGER, 0), 0);
    CHECK_INT(as_user(foreign_body), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, "tree"), 0);
    done();
}

static int mount_body(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 50;
    char path[128], source[128];
    snprintf(path, sizeof path, "%s/tree/a/bind", top);
    snprintf(source, sizeof source, "%s/outside", top);
    if (mount(source, path, NULL, MS_BIND, NULL) < 0)
        return 1;
    snprintf(path, sizeof path, "%s/tree/a/tmpfs", top);
    if (mount("tmpfs", path, "tmpfs", 0, NULL) < 0)
        return 2;
    int r = prl_io_remove_tree(top_fd, "tree");
    if (r != -EXDEV && r != -EBUSY)
        return 3;
    return exists("tree/a/file") ? 4 : !exists("outside/file") ? 5 : 0;
}

/* A bind mount of the same file system has the same st_dev: it is a mount all the same. */
TEST(mounts_are_not_entered)
{
    fresh(0);
    CHECK_INT(mkdirat(top_fd, "outside", 0700), 0);
    CHECK_INT(touch(top_fd, "outside/file"), 0);
    CHECK_INT(mkdirat(top_fd, "tree", 0700), 0);
    CHECK_INT(mkdirat(top_fd, "tree/a", 0700), 0);
    CHECK_INT(mkdirat(top_fd, "tree/a/bind", 0700), 0);
    CHECK_INT(mkdirat(top_fd, "tree/a/tmpfs", 0700), 0);
    CHECK_INT(touch(top_fd, "tree/a/file"), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(mount_body());
    int status = 0;
    waitpid(pid, &status, 0);
    if (WEXITSTATUS(status) == 50)
        printf("  no mount namespaces here: skipped\n");
    else
        CHECK_INT(WEXITSTATUS(status), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, "outside"), 0);
    CHECK_INT(prl_io_remove_tree(top_fd, "tree"), 0);
    done();
}

TEST(four_at_once)
{
    fresh(0);
    CHECK_INT(make_wide(3000), 0);
    CHECK_INT(make_deep("tree/deep", 300, 0), 0);
    int gate[2];
    CHECK_INT(pipe(gate), 0);
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            char go;
            close(gate[1]);
            if (read(gate[0], &go, 1) != 0) /* all start when the parent closes its end */
                _exit(90);
            _exit(-prl_io_remove_tree(top_fd, "tree"));
        }
    }
    close(gate[0]);
    close(gate[1]);
    int status, worst = 0;
    while (wait(&status) > 0)
        worst = status > worst ? status : worst;
    CHECK_INT(worst, 0);
    CHECK(!exists("tree"));
    done();
}
