// sources: csrc/state*.c csrc/base/*.c
/* test_state_groups.c: the control group that waits for the next container.
 * In: directories that stand for control groups, starts that are killed at every system call.
 * Out: which group is whose, and which are left.  Never: a control group of this machine. */
#include "fault_fixture.h"
#include "state_fixture.h"

#include <signal.h>
#include <sys/file.h>

#define NOBODY "----------------------------------------------------------------"

static char base[160], other[160];
static int base_fd, other_fd;

static void begin_with_bases(void)
{
    begin();
    snprintf(base, sizeof base, "%s/base", top);
    snprintf(other, sizeof other, "%s/other", top);
    mkdir(base, 0700);
    mkdir(other, 0700);
    CHECK_INT(mkdirat(dirs.runtime_fd, "used", 0700), 0);
    base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    other_fd = open(other, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void end_with_bases(void)
{
    close(base_fd);
    close(other_fd);
    end();
}

static int create_in(const char *groups, struct prl_state *ret)
{
    struct prl_state_options options = {.remove = true, .throw_away = true, .groups = groups};
    return prl_state_create(&dirs, &options, ret, &error);
}

static int write_config(const struct prl_state *state, const char *groups)
{
    char json[PATH_MAX];
    int n = snprintf(json, sizeof json,
                     "{\"annotations\":{\"io.pyrootless.limits.cgroups\":\"2 pids "
                     "%s/pyrootless-%s\"}}",
                     groups, state->id);
    return prl_state_write_config(state, json, (size_t)n, &error);
}

/* A line of the record: 0: spare, 1: spent. */
static const char *slot(int which)
{
    static char text[PATH_MAX], ids[2][PRL_ID_LEN + 1];
    read_text(dirs.runtime_fd, "groups", text, sizeof text);
    snprintf(ids[which], sizeof ids[which], "%.64s", text[0] ? text + which * 65 : NOBODY);
    return ids[which];
}

static bool has_group(int dir_fd, const char *id)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "pyrootless-%s/box", id);
    return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* As the launch does: a process was in it from here on. */
static int use_group(const struct prl_state *state)
{
    char path[128];
    snprintf(path, sizeof path, "used/%s", state->id);
    if (prl_state_create_file(dirs.runtime_fd, path, "", 0) < 0) /* of a used one: EEXIST */
        return -1;
    snprintf(path, sizeof path, "pyrootless-%s", state->id);
    if (mkdirat(base_fd, path, 0755) < 0 && !(errno == EEXIST && state->group))
        return -1;
    snprintf(path, sizeof path, "pyrootless-%s/box", state->id);
    return mkdirat(base_fd, path, 0755) < 0 && !(errno == EEXIST && state->group) ? -1 : 0;
}

static bool renew(int groups_fd, const char *groups, const char *spent)
{
    const struct prl_groups_wish wish = {groups, groups_fd, spent};
    return prl_groups_renew(&dirs, &wish);
}

static int start(struct prl_state *state)
{
    if (create_in(base, state) < 0)
        return 1;
    if (write_config(state, base) < 0 ||
        prl_groups_settle(&dirs, state, state->group != NULL, &error) < 0)
        return 2;
    if (use_group(state) < 0)
        return 3;
    return mark_begun(state, getpid()) < 0 ? 4 : 0;
}

static int finish(struct prl_state *state, bool left)
{
    free(state->group);
    state->group = NULL;
    if (!left && asprintf(&state->group, "%s/pyrootless-%s", base, state->id) < 0)
        return 1;
    return prl_state_finish(&dirs, state, &error);
}

/* A whole container. */
static int run(void)
{
    struct prl_state state;
    int r = start(&state);
    return r ? r : finish(&state, renew(base_fd, base, state.id)) < 0 ? 5 : 0;
}

TEST(the_next_start_takes_what_one_before_made)
{
    begin_with_bases();
    struct prl_state first, second, third;
    char id[PRL_ID_LEN + 1];
    CHECK_INT(start(&first), 0);
    CHECK(!first.group);
    CHECK_INT(renew(base_fd, base, first.id), true);
    CHECK_STR(slot(1), first.id);
    memcpy(id, slot(0), sizeof id);
    CHECK(has_group(base_fd, id));
    CHECK_INT(finish(&first, true), 0);
    CHECK_INT(start(&second), 0);
    CHECK_STR(second.id, id);
    CHECK_STR(slot(0), NOBODY);
    CHECK_INT(count("base"), 2); /* the first one's nobody had time to remove */
    CHECK_INT(renew(base_fd, base, second.id), true);
    CHECK_STR(slot(1), id);
    CHECK(has_group(base_fd, id) && has_group(base_fd, slot(0)));
    CHECK_INT(count("base"), 2);
    CHECK_INT(finish(&second, true), 0);
    CHECK_INT(start(&third), 0);
    CHECK_INT(finish(&third, false), 0);
    CHECK_INT(count("base"), 1);
    CHECK_STR(slot(1), id);
    prl_groups_drop(&dirs);
    CHECK_INT(count("base"), 0);
    CHECK_STR(slot(0), NOBODY);
    CHECK_STR(slot(1), NOBODY);
    end_with_bases();
}

TEST(a_group_whose_container_lives_is_not_removed)
{
    begin_with_bases();
    struct prl_state first, second;
    CHECK_INT(start(&first), 0);
    CHECK_INT(renew(base_fd, base, first.id), true);
    CHECK_INT(start(&second), 0);
    CHECK_INT(renew(base_fd, base, second.id), false); /* one place, which is taken */
    CHECK_STR(slot(1), first.id);
    prl_groups_drop(&dirs);
    CHECK(has_group(base_fd, first.id) && has_group(base_fd, second.id));
    CHECK_INT(count("base"), 2);
    CHECK_INT(finish(&second, false), 0);
    CHECK_INT(finish(&first, true), 0);
    prl_groups_drop(&dirs);
    CHECK_INT(count("base"), 0);
    end_with_bases();
}

TEST(of_two_that_start_at_once_one_takes_it)
{
    begin_with_bases();
    struct prl_state first, second;
    CHECK_INT(renew(base_fd, base, NULL), false);
    CHECK_STR(slot(1), NOBODY);
    CHECK_INT(create_in(base, &first), 0);
    CHECK(first.group);
    CHECK_INT(create_in(base, &second), 0);
    CHECK(!second.group && strcmp(second.id, first.id) != 0);
    CHECK_INT(renew(base_fd, base, second.id), false); /* the lock is not waited for */
    CHECK_INT(prl_state_finish(&dirs, &first, &error), 0);
    CHECK_INT(prl_state_finish(&dirs, &second, &error), 0);
    CHECK(has_group(base_fd, slot(0))); /* nothing was launched: it waits for the next */
    end_with_bases();
}

/* Its id is taken until a sweep has been there; then it is as good as before. */
TEST(a_killed_start_gives_its_group_back)
{
    begin_with_bases();
    struct prl_state first, second;
    char id[PRL_ID_LEN + 1];
    (void)renew(base_fd, base, NULL);
    CHECK_INT(create_in(base, &first), 0);
    memcpy(id, first.id, sizeof id);
    die(&first);
    CHECK_INT(create_in(base, &second), 0);
    CHECK(!second.group && strcmp(second.id, id) != 0);
    CHECK_INT(prl_state_finish(&dirs, &second, &error), 0);
    prl_groups_drop(&dirs);
    CHECK_STR(slot(0), id); /* not before the sweep */
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(create_in(base, &second), 0);
    CHECK_STR(second.id, id);
    CHECK_INT(prl_state_finish(&dirs, &second, &error), 0);
    end_with_bases();
}

TEST(a_group_that_was_not_needed_goes)
{
    begin_with_bases();
    struct prl_state state;
    (void)renew(base_fd, base, NULL);
    CHECK_INT(create_in(base, &state), 0); /* the plan has no group */
    CHECK_INT(prl_groups_settle(&dirs, &state, false, &error), 0);
    CHECK(!state.group && state.group_fd < 0);
    CHECK_INT(count("base"), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    (void)renew(base_fd, base, NULL);
    CHECK_INT(create_in(base, &state), 0); /* the launch fails before its groups */
    CHECK_INT(prl_groups_settle(&dirs, &state, true, &error), 0);
    CHECK_INT(count("base"), 1);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("base"), 0);
    end_with_bases();
}

TEST(a_group_that_somebody_removed_is_taken_all_the_same)
{
    begin_with_bases();
    struct prl_state state;
    char path[128];
    (void)renew(base_fd, base, NULL);
    snprintf(path, sizeof path, "pyrootless-%s", slot(0));
    CHECK_INT(prl_io_remove_tree(base_fd, path), 0);
    CHECK_INT(start(&state), 0);
    CHECK(state.group && has_group(base_fd, state.id));
    CHECK_INT(finish(&state, renew(base_fd, base, state.id)), 0);
    snprintf(path, sizeof path, "pyrootless-%s", slot(1));
    CHECK_INT(prl_io_remove_tree(base_fd, path), 0);
    CHECK_INT(run(), 0);
    CHECK_INT(count("base"), 2);
    end_with_bases();
}

TEST(a_group_of_another_base_is_not_taken)
{
    begin_with_bases();
    struct prl_state state, first;
    CHECK_INT(start(&first), 0);
    CHECK_INT(renew(base_fd, base, first.id), true);
    CHECK_INT(create_in(other, &state), 0);
    CHECK(!state.group);
    CHECK_INT(renew(other_fd, other, state.id), false); /* the first one lives */
    CHECK_INT(count("base") * 10 + count("other"), 20);
    CHECK_INT(finish(&first, true), 0);
    CHECK_INT(renew(other_fd, other, state.id), true);
    CHECK_INT(count("base") * 10 + count("other"), 1);
    CHECK(has_group(other_fd, slot(0)));
    CHECK_STR(slot(1), state.id);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    end_with_bases();
}

TEST(a_damaged_record_names_nothing)
{
    static const char id[] = "00000000000000000000000000000000000000000000000000000000000000ab";
    static const char *const lines[] = {
        "",
        "%s",
        "%s %s",
        "%s %s %s",          /* no end */
        "%s-%s %s\n",        /* no blank */
        "%s %s relative\n",  /* no path */
        "g%.63s g%.63s %s\n" /* no ids */
    };
    begin_with_bases();
    struct prl_state state;
    char text[1024], group[128];
    snprintf(group, sizeof group, "pyrootless-%s", id);
    CHECK_INT(mkdirat(base_fd, group, 0700), 0);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, lines[i], id, id, base);
#pragma GCC diagnostic pop
        unlinkat(dirs.runtime_fd, "groups", 0);
        CHECK_INT(prl_state_create_file(dirs.runtime_fd, "groups", text, strlen(text)), 0);
        CHECK_INT(create_in(base, &state), 0);
        CHECK(!state.group);
        CHECK_INT(renew(base_fd, base, state.id), true);
        CHECK_STR(slot(1), state.id);
        CHECK(has_group(base_fd, slot(0)));
        CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
        prl_groups_drop(&dirs);
        CHECK_INT(count("base"), 1);
    }
    end_with_bases();
}

static int without_pread_body(void)
{
    if (refuse_call(SYS_pread64, EIO) < 0)
        return 1;
    prl_groups_drop(&dirs);
    return renew(base_fd, base, NULL) ? 2 : 0;
}

TEST(a_record_that_cannot_be_read_stays_as_it_is)
{
    begin_with_bases();
    char id[PRL_ID_LEN + 1];
    (void)renew(base_fd, base, NULL);
    memcpy(id, slot(0), sizeof id);
    CHECK_INT(in_child(without_pread_body), 0);
    CHECK_STR(slot(0), id);
    CHECK(has_group(base_fd, id));
    CHECK_INT(count("base"), 1);
    end_with_bases();
}

/* At every moment a group is named by the record or by a config.json; a used one is nobody's
 * again (use_group). */
TEST(killed_anywhere_it_leaves_no_group_but_one_for_the_next)
{
    begin_with_bases();
    int nth = 1;
    for (bool killed = true; killed; nth++) {
        CHECK_INT(run(), 0); /* the victim finds a spare, and one to be removed */
        CHECK_INT(count("base"), 2);
        killed = kill_at(run, nth);
        CHECK(prl_state_sweep(&dirs, &error) >= 0);
        CHECK_INT(run(), 0);
        CHECK_INT(run(), 0);
        CHECK_INT(count("base"), 2);
        CHECK(has_group(base_fd, slot(0)) && has_group(base_fd, slot(1)));
        CHECK_INT(count("run/pyrootless/running") + count("run/pyrootless/containers"), 0);
    }
    CHECK(nth > 100);
    prl_groups_drop(&dirs);
    CHECK_INT(count("base"), 0);
    end_with_bases();
}
