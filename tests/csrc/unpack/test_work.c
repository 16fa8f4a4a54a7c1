// sources: csrc/unpack/*.c csrc/userns/*.c csrc/base/**/*.c
// libs: -Wl,--wrap=openat,--wrap=readdir,--wrap=fsetxattr

/* test_unpack_work.c: how much work an archive can ask for.
 * In: archives made here, calls counted.  Out: numbers that grow with the archive alone.
 * Never: a clock; a path outside a fresh directory in /tmp. */
#include "base/io.h"
#include "base/own.h"
#include "check.h"
#include "unpack/parts.h"
#include "unpack/stream.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

enum { BLOCK = 512 };

static int opened, listed;

int __real_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    opened++;
    return __real_openat(fd, path, flags, mode);
}

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir)
{
    listed++;
    return __real_readdir(dir);
}

/* The archive's are counted and not set, so that no file system has a say. */
static int attributes;
int __real_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    attributes++;
    return strncmp(name, "user.overlay.", 13) == 0
               ? __real_fsetxattr(fd, name, value, size, flags)
               : 0;
}

static char archive[4 << 20];
static size_t archive_len;

/* One header block; names longer than its fields come before it (long_name). */
static void add_header(char type, const char *name, const char *link, size_t size)
{
    char *block = archive + archive_len;
    unsigned sum = 0;
    memset(block, 0, BLOCK);
    memcpy(block, name, strnlen(name, 100));
    snprintf(block + 100, 8, "%07o", 0755);
    snprintf(block + 108, 8, "%07o", 0);
    snprintf(block + 116, 8, "%07o", 0);
    snprintf(block + 124, 12, "%011zo", size);
    snprintf(block + 136, 12, "%011o", 0);
    memset(block + 148, ' ', 8);
    block[156] = type;
    memcpy(block + 157, link, strnlen(link, 100));
    memcpy(block + 257, "ustar  ", 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
    archive_len += BLOCK;
}

static void add_body(char type, const char *name, const char *text, size_t len)
{
    add_header(type, name, "", len);
    memcpy(archive + archive_len, text, len);
    archive_len += (len + BLOCK - 1) / BLOCK * BLOCK;
}

static void add(char type, const char *name, const char *link)
{
    if (strlen(name) > 100)
        add_body('L', "././@LongLink", name, strlen(name) + 1);
    if (strlen(link) > 100)
        add_body('K', "././@LongLink", link, strlen(link) + 1);
    add_header(type, name, link, 0);
}

static void repeat(char *to, const char *what, size_t times)
{
    size_t len = strlen(what);
    for (size_t i = 0; i < times; i++)
        memcpy(to + i * len, what, len);
    to[times * len] = '\0';
}

static char top_path[] = "/tmp/test-unpack-work-XXXXXX";

static const char *probe = "tree"; /* below the layer's directory */
static bool probe_is_there;

/* Unpack the archive, and see whether the probe came to be; 0 or the negative error number. */
static int run(struct prl_error *error)
{
    const struct prl_unpack_limits limits = {.entries = 100000, .size_bytes = 1 << 24};
    struct prl_unpack_summary summary;
    struct prl_unpack *u = NULL;
    memcpy(top_path + strlen(top_path) - 6, "XXXXXX", 6);
    if (!mkdtemp(top_path))
        return -errno;
    _cleanup_close_ int layer_fd = open(top_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = prl_unpack_new(layer_fd, &limits, &u, error);
    opened = listed = attributes = 0;
    if (r == 0)
        r = prl_unpack_feed(u, archive, archive_len, error);
    int opened_then = opened, listed_then = listed;
    if (r == 0)
        r = prl_unpack_end(u, &summary, error);
    if (r == 0)
        r = prl_unpack_seal(u, error);
    prl_unpack_free(u);
    probe_is_there = faccessat(layer_fd, probe, F_OK, 0) == 0;
    prl_io_remove_tree(AT_FDCWD, top_path);
    opened = opened_then;
    listed = listed_then;
    return r;
}

/* ".." is one step, however deep it stands: 1000 of them 500 directories down are no half
 * million. */
TEST(dots_of_a_link_cost_a_step_each)
{
    struct prl_error error = {0};
    char deep[PATH_MAX], name[PATH_MAX], target[PATH_MAX];
    archive_len = 0;
    repeat(deep, "d/", 500);
    repeat(target, "../d/", 800);
    snprintf(name, sizeof name, "%.*sl", (int)strlen(deep), deep);
    add('2', name, target);
    snprintf(name, sizeof name, "%.*sl/x", (int)strlen(deep), deep);
    add('0', name, "");
    CHECK_INT(run(&error), 0);
    /* Way in, twice a name since it is made: 1000.  Once more over the link: 500 + 1600. */
    CHECK(opened > 2600);
    CHECK(opened < 3200);
}

/* The text of a second link fills the walk's room to its last byte, and then a directory is
 * made: the name is stepped onto again.  One byte more has no room, and nothing is made. */
TEST(a_full_walk_keeps_within_its_room)
{
    enum { FITS = 6 }; /* with the link before it, and the rest of the path: 2 PATH_MAX - 1 */
    struct prl_error error = {0};
    char name[PATH_MAX], target[PATH_MAX], tail[PATH_MAX], made[PATH_MAX + 8];
    for (size_t len = FITS; len <= FITS + 1; len++) {
        archive_len = 0;
        repeat(tail, "./", PATH_MAX / 2 - 2);
        snprintf(target, sizeof target, "m/%.*s", PATH_MAX - 3, tail);
        add('2', "l", target);
        snprintf(target, sizeof target, "%.*s", (int)len, "new-name-long");
        add('2', "m", target);
        repeat(tail, "a/", PATH_MAX / 2 - 3);
        snprintf(name, sizeof name, "l/%.*sx", (int)strlen(tail), tail);
        add('0', name, "");
        snprintf(made, sizeof made, "tree/%s", target);
        probe = made;
        int r = run(&error);
        CHECK_INT(r, -EBADMSG); /* where it leads is longer than a path */
        CHECK_INT(probe_is_there, len <= FITS);
    }
}

/* A global header gives 200 attributes to each of 3000 members. */
TEST(attributes_for_every_member_have_an_end)
{
    enum { GLOBAL = 200, MEMBERS = 3000, RECORD = 27 };
    struct prl_error error = {0};
    char records[GLOBAL * RECORD + 1], name[16];
    archive_len = 0;
    for (int i = 0; i < GLOBAL; i++)
        snprintf(records + i * RECORD, RECORD + 1, "%d SCHILY.xattr.user.%03d=v\n", RECORD, i);
    add_body('g', "pax", records, sizeof records - 1);
    for (int i = 0; i < MEMBERS; i++) {
        if (i == 100) {
            CHECK_INT(run(&error), 0);
            CHECK_INT(attributes, GLOBAL * 100);
        }
        snprintf(name, sizeof name, "f%d", i);
        add('0', name, "");
    }
    CHECK_INT(run(&error), -EBADMSG);
    CHECK(strstr(error.subject, PRL_UNPACK_TOO_MUCH_WORK) != NULL);
    CHECK(attributes < PRL_UNPACK_WORK_FREE + MEMBERS * PRL_UNPACK_WORK_A_MEMBER);
}

/* 300 times opaque: the directory is looked through once. */
TEST(an_opaque_directory_is_listed_once)
{
    struct prl_error error = {0};
    char name[32];
    archive_len = 0;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        add('0', name, "");
    }
    for (int i = 0; i < 300; i++)
        add('0', "d/.wh..wh..opq", "");
    CHECK_INT(run(&error), 0);
    CHECK_INT(listed, 303); /* with "." and ".." and the end */
}
