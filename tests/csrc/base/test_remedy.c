// sources: csrc/base/**/*.c
/* test_remedy.c: the table is complete, in order, and found by stage and errno. */
#include "base/error.h"
#include "check.h"

#include <errno.h>

static const struct prl_remedy *find(enum prl_stage stage, int errnum)
{
    struct prl_error error = {0};
    prl_fail_with(&error, stage, errnum, "call", "subject");
    return prl_error_remedy(&error);
}

TEST(every_stage_has_a_row_for_any_errno)
{
    for (unsigned stage = PRL_STAGE_OPTIONS; stage < PRL_STAGE_COUNT; stage++) {
        const struct prl_remedy *row = find((enum prl_stage)stage, 4242);
        CHECK(row != NULL);
        CHECK_INT(row->stage, stage);
        CHECK_INT(row->errnum, 0);
    }
}

TEST(the_exact_errno_wins)
{
    const struct prl_remedy *row = find(PRL_STAGE_CLONE, ENOSPC);
    CHECK_INT(row->errnum, ENOSPC);
    CHECK_STR(row->klass, "HostUnsupportedError");
    CHECK_STR(row->check, "user-namespaces");
    CHECK(strstr(row->text, "user.max_user_namespaces") != NULL);
    CHECK_STR(find(PRL_STAGE_STATE, EEXIST)->klass, "ContainerStateError");
    CHECK_STR(find(PRL_STAGE_EXEC, ENOEXEC)->klass, "LaunchError");
}

TEST(no_record_has_no_remedy)
{
    struct prl_error error = {0};
    CHECK(prl_error_remedy(&error) == NULL);
}

TEST(stages_are_whole_and_end_with_the_general_row)
{
    for (const struct prl_remedy *row = prl_remedies; row->stage != PRL_STAGE_NONE; row++) {
        const struct prl_remedy *next = row + 1;
        CHECK(row->errnum == 0 ? next->stage != row->stage : next->stage == row->stage);
        CHECK(row->errnum != 0 || next->stage == PRL_STAGE_NONE || next->stage > row->stage);
    }
}

TEST(no_errno_stands_twice_in_a_stage)
{
    for (const struct prl_remedy *row = prl_remedies; row->stage != PRL_STAGE_NONE; row++)
        for (const struct prl_remedy *other = row + 1; other->stage == row->stage; other++)
            CHECK(other->errnum != row->errnum);
}

TEST(texts_are_one_line_without_full_stop_and_fit)
{
    for (const struct prl_remedy *row = prl_remedies; row->stage != PRL_STAGE_NONE; row++) {
        size_t len = strlen(row->text);
        CHECK(len > 20 && len < 400);
        CHECK(strchr(row->text, '\n') == NULL);
        CHECK(row->text[len - 1] != '.');
        CHECK(row->klass[0] != '\0');
    }
}

TEST(format_names_remedy_and_doctor)
{
    struct prl_error error = {0};
    char buf[2048];
    prl_fail_with(&error, PRL_STAGE_ROOTFS, ENODEV, "mount", "overlay");
    prl_error_format(&error, buf, sizeof buf);
    CHECK(strstr(buf, "rootfs: mount(overlay): No such device") == buf);
    CHECK(strstr(buf, "modprobe overlay") != NULL);
    CHECK(strstr(buf, "pyrootless doctor overlay") != NULL);
}

TEST(a_name_gives_no_order_to_the_terminal)
{
    struct prl_error error = {0};
    char buf[2048];
    prl_failf(&error, PRL_STAGE_STATE, ENOENT, "x", "no \x1b[2J\xc2\x9b\x7f \xc3\xa4\n!");
    prl_error_format(&error, buf, sizeof buf);
    CHECK(strstr(buf, "no ?[2J??? \xc3\xa4\n!") != NULL);
}
