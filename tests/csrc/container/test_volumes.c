// sources: csrc/userns/*.c csrc/base/**/*.c csrc/container/state/**/*.c csrc/limits/**/*.c
// sources: csrc/container/events/*.c
// libs: -lyyjson
/* test_volumes.c: volumes from their making to their removal.
 * In: a store of its own.  Out: what is in it after each step, and who wins a race. */
#include "base/own.h"
#include "container/state/volumes/parts.h"
#include "state_fixture.h"

#include <sys/file.h>

static int make(const char *name)
{
    return prl_volume_make(&dirs, &(struct prl_volume_want){.name = name}, &error);
}

static int make_with(const char *name, const char *label, const char *const *options)
{
    const char *labels[] = {label, NULL};
    return prl_volume_make(&dirs,
                           &(struct prl_volume_want){.name = name,
                                                     .labels = label ? labels : NULL,
                                                     .options = options},
                           &error);
}

/* A container that has begun, with these rows. */
static struct prl_state state;
static struct prl_volume rows[4];
static struct prl_spec spec;
static struct prl_held_volumes held;

static int hold(size_t len, bool remove)
{
    char json[1024];
    int n = 0;
    const struct prl_state_options options = {.remove = remove};
    int r = prl_state_create(&dirs, &options, &state, &error);
    n += snprintf(json + n, sizeof json - (size_t)n,
                  "{\"annotations\":{\"io.pyrootless.volumes\":\"");
    for (size_t i = 0; i < len; i++)
        n += snprintf(json + n, sizeof json - (size_t)n, "%s%s copy %s %s", i ? "\\n" : "",
                      rows[i].anonymous ? "anonymous" : "named", rows[i].name,
                      rows[i].destination);
    n += snprintf(json + n, sizeof json - (size_t)n, "\"}}");
    spec.volumes = rows;
    spec.volumes_len = len;
    if (r == 0)
        r = prl_state_write_config(&state, json, (size_t)n, &error);
    state.volumes = true;
    return r < 0 ? r : prl_volumes_hold(&dirs, &state, &spec, &held, &error);
}

static void finish(void)
{
    prl_volumes_settle(&held, true);
    prl_volumes_release(&held);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
}

static void row(size_t i, const char *name, const char *destination, bool anonymous)
{
    rows[i] = (struct prl_volume){
        .name = name, .destination = destination, .anonymous = anonymous, .copy = true};
}

TEST(a_volume_is_whole_or_not_there)
{
    struct prl_volume_row seen;
    begin();
    const char *options[] = {"type=none", "o=bind", "device=/tmp", NULL};
    CHECK_INT(make("one"), 0);
    CHECK_INT(make("one"), 1);
    CHECK_INT(make_with("two.2_-", "a=b\"c\n", options), 0);
    CHECK_INT(count("data/volumes"), 2);
    CHECK_INT(count("data/volumes/one"), 3);
    CHECK_INT(count("data/tmp"), 0);
    CHECK_INT(mode_of(dirs.data_fd, "volumes/one"), 0700);
    CHECK_INT(mode_of(dirs.data_fd, "volumes/one/_data"), 0755);
    CHECK_INT(mode_of(dirs.data_fd, "volumes/one/volume.json"), 0600);
    CHECK_INT(prl_volume_look(&dirs, "two.2_-", &seen, &error), 0);
    CHECK(strstr(seen.record, "\"labels\":{\"a\":\"b\\\"c\\n\"},\"options\":{\"type\":\"none\","
                              "\"o\":\"bind\",\"device\":\"/tmp\"}}"));
    CHECK_INT(seen.users_len, 0);
    free(seen.name);
    free(seen.record);
    CHECK_INT(prl_volume_remove(&dirs, "one", &error), 0);
    CHECK_INT(prl_volume_remove(&dirs, "one", &error), -ESRCH);
    CHECK_STR(error.subject, "get one: no such volume");
    CHECK_INT(prl_volume_look(&dirs, "../volumes/two.2_-", &seen, &error), -ESRCH);
    CHECK_INT(prl_volume_remove(&dirs, "../refs", &error), -ESRCH);
    CHECK_INT(count("data/volumes"), 1);
    CHECK_INT(count("data/trash"), 0);
    end();
}

TEST(names_and_options_that_cannot_be)
{
    static const char *const names[] = {"",   "a",   "a/b", "..",
                                        ".a", "a b", "-a",  "\xc3\xa9t\xc3\xa9"};
    begin();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK_INT(make(names[i]), -EINVAL);
    const char *bad[][4] = {
        {"type=tmpfs", "device=tmpfs", "o=size=1m", NULL},
        {"type=nfs", "device=:/x", "o=addr=1.2.3.4", NULL},
        {"type=none", "o=bind", NULL},
        {"type=none", "o=bind", "device=rel", NULL},
        {"type=none", "device=/tmp", NULL},
        {"o=bind,suid", "device=/tmp", NULL},
        {"size=1g", NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(make_with("one", NULL, bad[i]), -EINVAL);
    CHECK_INT(count("data/volumes"), -1);
    end();
}

/* Fifty makers of one name: one makes it, and the others find it. */
TEST(one_of_fifty_makers_wins)
{
    enum { MAKERS = 50 };
    int pipes[2], made = 0, failed = 0, status;
    begin();
    CHECK_INT(pipe2(pipes, O_CLOEXEC), 0);
    for (int i = 0; i < MAKERS; i++) {
        if (fork() == 0) {
            char byte;
            prl_close_p(&pipes[1]);
            (void)!read(pipes[0], &byte, 1);
            _exit(make("race"));
        }
    }
    prl_close_p(&pipes[0]);
    prl_close_p(&pipes[1]);
    while (wait(&status) > 0) {
        made += WEXITSTATUS(status) == 0;
        failed += WEXITSTATUS(status) > 1;
    }
    CHECK_INT(made, 1);
    CHECK_INT(failed, 0);
    CHECK_INT(count("data/volumes"), 1);
    CHECK_INT(count("data/tmp"), 0);
    end();
}

TEST(a_volume_that_is_used_stays)
{
    struct prl_volume_row seen;
    begin();
    row(0, "zz", "/z", false);
    row(1, "aa", "/a", false);
    CHECK_INT(hold(2, false), 0);
    CHECK(rows[0].fill && rows[1].fill);
    CHECK_INT(prl_volume_remove(&dirs, "zz", &error), -EBUSY);
    CHECK_STR(error.subject, "remove zz: volume is in use");
    CHECK_INT(prl_volume_look(&dirs, "aa", &seen, &error), 0);
    CHECK_INT(seen.users_len, 1);
    CHECK_STR(seen.users[0], state.id);
    free(seen.name);
    free(seen.record);
    free(seen.users);
    /* Nobody holds it any more, but the container is still there. */
    prl_volumes_release(&held);
    CHECK_INT(prl_volume_remove(&dirs, "zz", &error), -EBUSY);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/volumes/zz/users"), 0);
    CHECK_INT(prl_volume_remove(&dirs, "zz", &error), 0);
    end();
}

TEST(those_without_a_name_go_with_the_container)
{
    static const char first[] =
        "1111111111111111111111111111111111111111111111111111111111111111";
    begin();
    row(0, first, "/a", true);
    row(1, "kept", "/b", false);
    CHECK_INT(hold(2, true), 0);
    CHECK_INT(count("data/volumes"), 2);
    finish();
    CHECK_INT(count("data/volumes"), 1);
    CHECK_INT(count("data/volumes/kept/users"), 0);
    CHECK_INT(count("data/trash"), 0);
    end();
}

/* Somebody else has it too: whoever is last takes it along. */
TEST(a_shared_one_stays_until_its_last_user_goes)
{
    static const char name[] =
        "2222222222222222222222222222222222222222222222222222222222222222";
    begin();
    row(0, name, "/a", true);
    CHECK_INT(hold(1, true), 0);
    struct prl_state one = state;
    struct prl_held_volumes ones = held;
    prl_volumes_settle(&ones, true);
    CHECK_INT(hold(1, true), 0);
    prl_volumes_release(&ones);
    CHECK_INT(prl_state_finish(&dirs, &one, &error), 0);
    CHECK_INT(count("data/volumes"), 1);
    finish();
    CHECK_INT(count("data/volumes"), 0);
    end();
}

/* Its monitor was killed: what is left is nobody's, and a sweep takes it. */
TEST(a_killed_monitor_leaves_nothing)
{
    static const char name[] =
        "3333333333333333333333333333333333333333333333333333333333333333";
    begin();
    row(0, name, "/a", true);
    row(1, "kept", "/b", false);
    CHECK_INT(hold(2, true), 0);
    prl_volumes_release(&held);
    prl_state_close(&state);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(count("data/volumes"), 1);
    CHECK_INT(prl_volume_remove(&dirs, "kept", &error), 0);
    end();
}

TEST(what_is_no_volume_is_left_alone)
{
    struct prl_volume_row *list;
    size_t len;
    begin();
    CHECK_INT(make("good"), 0);
    CHECK_INT(mkdirat(dirs.data_fd, "volumes/foreign", 0700), 0);
    CHECK_INT(symlinkat("good", dirs.data_fd, "volumes/link"), 0);
    CHECK_INT(prl_io_write_file(dirs.data_fd, "volumes/file", "x", 1, O_CREAT, 0600), 0);
    CHECK_INT(make("broken"), 0);
    CHECK_INT(
        prl_io_write_file(dirs.data_fd, "volumes/broken/volume.json", "{", 1, O_TRUNC, 0600),
        0);
    static const char *const names[] = {"foreign", "link", "file", "broken"};
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(make(names[i]), -EBADMSG);
        CHECK_INT(prl_volume_remove(&dirs, names[i], &error), -EBADMSG);
        row(0, names[i], "/a", false);
        CHECK_INT(hold(1, true), -EBADMSG);
        CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    }
    CHECK_INT(count("data/volumes"), 5);
    CHECK_INT(prl_volume_list(&dirs, &list, &len, &error), 0);
    CHECK_INT(len, 5);
    for (size_t i = 0; i < len; i++)
        CHECK_INT(list[i].record == NULL, strcmp(list[i].name, "good") != 0);
    prl_volume_rows_free(list, len);
    end();
}

/* An empty one is filled once; a copy that was broken off is made again. */
TEST(it_is_filled_once)
{
    begin();
    row(0, "data", "/a", false);
    CHECK_INT(hold(1, true), 0);
    CHECK(rows[0].fill);
    CHECK_INT(mkdirat(dirs.data_fd, "volumes/data/_data/half", 0700), 0);
    prl_volumes_settle(&held, false);
    finish();
    row(0, "data", "/a", false);
    CHECK_INT(hold(1, true), 0);
    CHECK(rows[0].fill);
    finish();
    row(0, "data", "/a", false);
    CHECK_INT(hold(1, true), 0);
    CHECK(!rows[0].fill);
    CHECK_INT(held.held[0].filling_fd, -1);
    finish();
    row(0, "other", "/a", false);
    rows[0].copy = false;
    CHECK_INT(hold(1, true), 0);
    CHECK(!rows[0].fill);
    finish();
    end();
}
