// sources: csrc/base/**/*.c csrc/limits/values.c
/* test_group_text.c: limits written into the files of a group.
 * In: a directory of the test's own.  Out: files, or the one that could not be written.
 */
#include "check.h"
#include "limits/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[32];

static int fd;

static void open_group(void)
{
    strcpy(root, "/tmp/prl-group-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(close(openat(fd, "memory.max", O_CREAT | O_WRONLY, 0600)), 0);
    CHECK_INT(close(openat(fd, "pids.max", O_CREAT | O_WRONLY, 0600)), 0);
    CHECK_INT(symlinkat("pids.max", fd, "cpu.max"), 0);
}

static void end_group(void)
{
    static const char *const names[] = {"memory.max", "pids.max", "cpu.max"};
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(unlinkat(fd, names[i], 0), 0);
    close(fd);
    CHECK_INT(rmdir(root), 0);
}

static void check_text(const char *name, const char *wanted)
{
    char text[64] = "";
    int file = openat(fd, name, O_RDONLY | O_CLOEXEC);
    CHECK(read(file, text, sizeof text - 1) >= 0);
    close(file);
    CHECK_STR(text, wanted);
}

TEST(all_are_written_and_one_may_be_missing)
{
    const struct prl_group_text texts[] = {{.name = "memory.max", .value = "4096"},
                                           {.name = "swap", .value = "1", .may_miss = true},
                                           {.name = "pids.max", .value = "7"}};
    const struct prl_group_text *failed = NULL;
    open_group();
    CHECK_INT(prl_group_texts_write(fd, texts, 3, &failed), 0);
    CHECK(failed == NULL);
    check_text("memory.max", "4096");
    check_text("pids.max", "7");
    end_group();
}

TEST(the_first_that_fails_is_named)
{
    static const struct {
        struct prl_group_text text;
        int errnum;
    } rows[] = {{{.name = "swap", .value = "1"}, ENOENT},
                {{.name = "cpu.max", .value = "1", .may_miss = true}, ELOOP}};
    for (size_t i = 0; i < 2; i++) {
        const struct prl_group_text *failed = NULL;
        const struct prl_group_text texts[] = {rows[i].text,
                                               {.name = "pids.max", .value = "7"}};
        open_group();
        CHECK_INT(prl_group_texts_write(fd, texts, 2, &failed), -rows[i].errnum);
        CHECK(failed == &texts[0]);
        check_text("pids.max", "");
        end_group();
    }
}
