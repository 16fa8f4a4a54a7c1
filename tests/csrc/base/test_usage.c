// sources: csrc/userns/*.c csrc/base/**/*.c
/* test_usage.c: what trees take: holes, several names, links, depth.
 * In: trees below a fresh directory in /tmp.  Out: their bytes.  Never: a path outside of it.
 */
#include "base/io.h"
#include "base/usage.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];
static int top_fd = -1;

static void fresh(void)
{
    snprintf(top, sizeof top, "/tmp/prl-usage-XXXXXX");
    if (!mkdtemp(top))
        exit(99);
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void done(void)
{
    prl_io_remove_tree(AT_FDCWD, top);
    close(top_fd);
}

/* Written through: a file system may decide late which blocks a file takes. */
static int make(const char *name, const char *data)
{
    int flags = O_CREAT | O_EXCL | O_SYNC;
    return prl_io_write_file(top_fd, name, data, strlen(data), flags, 0600);
}

static uint64_t blocks(const char *name)
{
    struct stat st;
    if (fstatat(top_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        exit(98);
    return (uint64_t)st.st_blocks * 512;
}

static uint64_t usage(const char *name)
{
    uint64_t bytes = 0;
    if (prl_usage_tree(top_fd, name, &bytes) != 0)
        exit(97);
    return bytes;
}

TEST(a_hole_takes_nothing)
{
    fresh();
    char path[96];
    snprintf(path, sizeof path, "%s/sparse", top);
    CHECK_INT(make("sparse", "some"), 0);
    CHECK_INT(truncate(path, 1 << 30), 0);
    CHECK(blocks("sparse") < 1 << 20);
    CHECK_INT(usage("."), blocks(".") + blocks("sparse"));
    CHECK_INT(usage("sparse"), blocks("sparse"));
    done();
}

TEST(a_file_with_many_names_is_one_file)
{
    enum { FILES = 300 };
    fresh();
    CHECK_INT(make("data", "data"), 0);
    for (int i = 0; i < FILES; i++) {
        char name[16], other[16];
        snprintf(name, sizeof name, "%d", i);
        snprintf(other, sizeof other, "%d-again", i);
        CHECK_INT(make(name, ""), 0);
        CHECK_INT(linkat(top_fd, name, top_fd, other, 0), 0);
        snprintf(other, sizeof other, "data-%d", i);
        CHECK_INT(linkat(top_fd, "data", top_fd, other, 0), 0);
    }
    CHECK(blocks("data") > 0);
    CHECK_INT(usage("."), blocks("data") + blocks("."));
    done();
}

TEST(a_link_leads_nowhere)
{
    fresh();
    CHECK_INT(mkdirat(top_fd, "big", 0700), 0);
    CHECK_INT(make("big/file", "data"), 0);
    CHECK_INT(mkdirat(top_fd, "small", 0700), 0);
    CHECK_INT(symlinkat("../big", top_fd, "small/link"), 0);
    CHECK_INT(usage("small"), blocks("small") + blocks("small/link"));
    CHECK_INT(usage("small/link"), blocks("small/link"));
    CHECK_INT(usage("nothing"), 0);
    done();
}

TEST(it_goes_deep_and_not_for_ever)
{
    fresh();
    int fd = dup(top_fd);
    for (int i = 0; i < PRL_USAGE_DEPTH + 50; i++) {
        CHECK_INT(mkdirat(fd, "d", 0700), 0);
        int below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = below;
    }
    close(fd);
    /* Each directory takes the same; the one below the last that is listed is not entered. */
    CHECK_INT(usage("."), blocks("d") * (PRL_USAGE_DEPTH + 1));
    done();
}
