// sources: csrc/base/**/*.c csrc/config/users/passwd.c
/* test_passwd.c: -u USER[:GROUP] against root file systems, honest and hostile.
 * In: roots made in a fresh directory below /tmp.  Out: ids, homes, errors.  Never: a wait. */
#include "config/users/passwd.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static char root[64];
static struct prl_passwd_user user;
static struct prl_error error;

static const char PASSWD[] = "# a comment\n"
                             "root:x:0:0:root:/root:/bin/sh\n"
                             "broken\n"
                             "huge:x:99999999999:1::/huge:/bin/sh\n"
                             "alice:x:1000:1001:Alice:/home/alice:/bin/sh\n"
                             "1000x:x:7:8::relative:/bin/sh\n"
                             "bob:x:1002:1002";
static const char GROUP[] = "root:x:0:\nstaff:x:50:alice\n";

static const char *below(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(below(name), "we");

    fputs(text, file);
    fclose(file);
}

static void make_root(void)
{
    strcpy(root, "/tmp/prl-passwd-XXXXXX");
    if (!mkdtemp(root) || mkdir(below("etc"), 0755) < 0 || mkdir(below("top"), 0755) < 0)
        abort();
    put("etc/passwd", PASSWD);
    put("etc/group", GROUP);
}

static void remove_root(void)
{
    static const char *const names[] = {"etc/passwd", "etc/group", "top/etc/passwd", "secret"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(below(names[i]));
    rmdir(below("top/etc"));
    rmdir(below("top"));
    rmdir(below("etc"));
    rmdir(root);
}

static int resolve(const char *text)
{
    const char *dirs[] = {root, NULL};
    const struct prl_passwd_root where = {.dirs = dirs};

    memset(&error, 0, sizeof error);
    return prl_passwd_resolve(&where, text, &user, &error);
}

#define CHECK_USER(text, want_uid, want_gid, want_home)                                        \
    do {                                                                                       \
        CHECK_INT(resolve(text), 0);                                                           \
        CHECK_INT(user.uid, want_uid);                                                         \
        CHECK_INT(user.gid, want_gid);                                                         \
        CHECK_STR(user.home, want_home);                                                       \
    } while (0)

static void check_names(void)
{
    CHECK_USER("root", 0, 0, "/root");
    CHECK_USER("alice", 1000, 1001, "/home/alice");
    CHECK_USER("alice:staff", 1000, 50, "/home/alice");
    CHECK_USER("alice:7", 1000, 7, "/home/alice");
    CHECK_USER("1000", 1000, 1001, "/home/alice");
    CHECK_USER("1000:0", 1000, 0, "/home/alice");
    CHECK_USER("4242", 4242, 0, "/");
    CHECK_USER("4242:4243", 4242, 4243, "/");
    CHECK_USER("2147483647", 2147483647, 0, "/");
    CHECK_USER("bob", 1002, 1002, "/");
    CHECK_USER("1000x", 7, 8, "/");
    CHECK_USER("alice:", 1000, 1001, "/home/alice");
    CHECK_USER("1000:", 1000, 1001, "/home/alice");
    CHECK_USER(":50", 0, 50, "/root");
    CHECK_USER(":staff", 0, 50, "/root");
}

TEST(names_and_numbers)
{
    make_root();
    check_names();
    remove_root();
}

static void check_refusals(void)
{
    static const char *const bad[] = {
        "",     ":",           "alice::",    ":staff:",    "a:b:c",
        "-1:0", "99999999999", "2147483648", "4294967296", "0:4294967296"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int r = resolve(bad[i]);
        CHECK(r == -EINVAL || (bad[i][0] == '-' && r == -ESRCH));
        CHECK_STR(error.syscall, "--user");
        CHECK_INT(error.stage, PRL_STAGE_OPTIONS);
    }
    CHECK_INT(resolve("nobody"), -ESRCH);
    CHECK(strstr(error.subject, "/etc/passwd has no user \"nobody\""));
    CHECK_INT(resolve("huge"), -ESRCH);
    CHECK_INT(resolve("alice:wheel"), -ESRCH);
    CHECK(strstr(error.subject, "/etc/group has no group \"wheel\""));
}

TEST(refusals)
{
    make_root();
    check_refusals();
    remove_root();
}

static void check_hostile(int errnum, const char *words)
{
    CHECK_INT(resolve("alice"), -errnum);
    CHECK_STR(strstr(error.subject, words) ? words : error.subject, words);
    CHECK_USER("1000:1000", 1000, 1000, "/"); /* a number does without the file */
    unlink(below("etc/passwd"));
}

/* CVE-2024-9676: each is answered at once, without reading what is behind. */
TEST(passwd_that_is_no_file)
{
    make_root();
    unlink(below("etc/passwd"));
    if (mkfifo(below("etc/passwd"), 0644) == 0)
        check_hostile(EINVAL, "is not a plain file");
    if (mkdir(below("etc/passwd"), 0755) == 0)
        check_hostile(EINVAL, "is not a plain file");
    rmdir(below("etc/passwd"));
    put("etc/passwd", PASSWD);
    if (truncate(below("etc/passwd"), (off_t)2 << 30) == 0)
        check_hostile(EFBIG, "is larger than 1 MiB");
    if (symlink("passwd", below("etc/passwd")) == 0)
        check_hostile(ELOOP, "cannot be read");
    remove_root();
}

/* Links end inside the root: the host's /dev/zero and /etc/passwd are out of reach. */
TEST(links_stay_inside)
{
    make_root();
    unlink(below("etc/passwd"));
    CHECK_INT(symlink("/dev/zero", below("etc/passwd")), 0);
    check_hostile(ESRCH, "has no user \"alice\"");
    CHECK_INT(symlink("../../../../../../etc/passwd", below("etc/passwd")), 0);
    check_hostile(ELOOP, "cannot be read"); /* ".." stops at the root: it names itself */
    CHECK_INT(symlink("/secret", below("etc/passwd")), 0);
    put("secret", PASSWD);
    CHECK_USER("alice", 1000, 1001, "/home/alice");
    remove_root();
}

TEST(the_directory_on_top_wins)
{
    char top[96];

    make_root();
    snprintf(top, sizeof top, "%s/top", root);
    const char *dirs[] = {top, root, NULL};
    const struct prl_passwd_root where = {.dirs = dirs};
    CHECK_INT(prl_passwd_resolve(&where, "alice", &user, &error), 0);
    CHECK_INT(user.uid, 1000); /* the top has none: the one below counts */
    CHECK_INT(mkdir(below("top/etc"), 0755), 0);
    put("top/etc/passwd", "alice:x:5:6::/new:/bin/sh\n");
    CHECK_INT(prl_passwd_resolve(&where, "alice:staff", &user, &error), 0);
    CHECK_INT(user.uid, 5);
    CHECK_INT(user.gid, 50);
    CHECK_STR(user.home, "/new");
    remove_root();
}

/* 1: not found in `top` above `root`; 0: found below. */
static int hidden(void)
{
    static char top[64];
    snprintf(top, sizeof top, "%s", below("top"));
    const char *dirs[] = {top, root, NULL};
    const struct prl_passwd_root both = {.dirs = dirs};
    return prl_passwd_resolve(&both, "alice", &user, &error) == -ESRCH;
}

TEST(layers_hide_what_is_below)
{
    make_root();
    if (mkdir(below("top/etc"), 0755) < 0)
        abort();
    CHECK_INT(hidden(), 0);
    CHECK_INT(setxattr(below("top/etc"), "user.overlay.opaque", "x", 1, 0), 0);
    CHECK_INT(hidden(), 0);
    CHECK_INT(setxattr(below("top/etc"), "user.overlay.opaque", "y", 1, 0), 0);
    CHECK_INT(hidden(), 1);
    CHECK_INT(removexattr(below("top/etc"), "user.overlay.opaque"), 0);
    CHECK_INT(mknod(below("top/etc/passwd"), S_IFCHR, 0), 0); /* a whiteout: no privilege */
    CHECK_INT(hidden(), 1);
    unlink(below("top/etc/passwd"));
    rmdir(below("top/etc"));
    CHECK_INT(mknod(below("top/etc"), S_IFCHR, 0), 0);
    CHECK_INT(hidden(), 1);
    unlink(below("top/etc"));
    remove_root();
}

TEST(no_files_at_all)
{
    make_root();
    unlink(below("etc/passwd"));
    CHECK_USER("0", 0, 0, "/");
    CHECK_INT(resolve("alice"), -ESRCH);
    remove_root();
}
