// sources: csrc/state*.c csrc/base/*.c
/* test_state.c: containers' directories and names from create to finish.
 * In: a store of its own.  Out: what is in it after each step. */
#include "state_fixture.h"

TEST(life_on_disk)
{
    begin();
    struct prl_state state;
    char expected[PATH_MAX], text[PATH_MAX], path[PATH_MAX];
    CHECK_INT(create("web", false, false, &state), 0);
    CHECK(prl_entry_is_id(state.id));
    snprintf(expected, sizeof expected, "%s/containers/%s", data, state.id);
    CHECK_STR(state.path, expected);
    CHECK_INT(mode_of(state.dir_fd, "."), 0700);
    CHECK_INT(mode_of(state.dir_fd, "upper"), 0755);
    CHECK_INT(mode_of(state.dir_fd, "work"), 0700);
    CHECK_INT(mode_of(state.dir_fd, "remove"), 0600);
    snprintf(path, sizeof path, "running/%s", state.id);
    read_text(dirs.runtime_fd, path, text, sizeof text);
    snprintf(expected, sizeof expected, "0000000000 00000000000000000000 %s kept,name=web\n",
             state.path);
    CHECK_STR(text, expected);
    CHECK_INT(prl_state_write_config(&state, "{}", 2, &error), 0);
    CHECK_INT(prl_state_write_config(&state, "{}", 2, &error), -EEXIST);
    CHECK_INT(mode_of(state.dir_fd, "config.json"), 0600);
    CHECK_INT(mark_begun(&state, getpid()), 0);
    CHECK_INT(mode_of(state.dir_fd, "remove"), -ENOENT);
    struct prl_status status = {
        .ended_by = PRL_ENDED_EXIT,
        .exit_code = 7,
        .wall_ns = 12,
        .usage = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
    };
    CHECK_INT(prl_state_write_status(&state, &status, &error), 0);
    read_text(state.dir_fd, "status.json", text, sizeof text);
    const char *json =
        "{\"ended_by\":\"exit\",\"exit_code\":7,\"signal\":0,\"wall_ns\":12,"
        "\"user_ns\":0,\"system_ns\":0,\"max_rss_bytes\":0,\"usage\":"
        "{\"memory_peak_bytes\":1,\"cpu_ns\":2,\"io_read_bytes\":3,\"io_write_bytes\":4,"
        "\"throttled_ns\":5,\"memory_stall_ns\":6,\"cpu_stall_ns\":7,\"io_stall_ns\":8,"
        "\"pids_peak\":9,\"oom_kills\":10,\"pids_refused\":11},\"finished_unix_ns\":";
    CHECK_INT(strncmp(text, json, strlen(json)), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("run/pyrootless/running"), 0);
    CHECK_INT(count("data/containers"), 1);
    CHECK_INT(count("data/names"), 1);
    end();
}

TEST(entry_names_process_and_birth)
{
    begin();
    struct prl_state state;
    struct prl_entry entry;
    uint64_t ticks;
    bool dead;
    CHECK_INT(create("a b", false, false, &state), -EINVAL);
    CHECK_INT(create("ab", true, false, &state), 0);
    CHECK_INT(mark_begun(&state, getpid()), 0);
    CHECK_INT(prl_entry_start_ticks(getpid(), &ticks, &dead), 0);
    CHECK(!dead && ticks > 0);
    CHECK_INT(prl_entry_read(state.lock_fd, &entry), 0);
    CHECK_INT(entry.pid, getpid());
    CHECK_INT(entry.start_ticks, ticks);
    CHECK_STR(entry.directory, state.path);
    CHECK_STR(entry.name, "ab");
    CHECK(entry.remove && !entry.throw_away);
    prl_entry_free(&entry);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    end();
}

TEST(removed_at_its_end)
{
    begin();
    struct prl_state state;
    CHECK_INT(create("web", true, false, &state), 0);
    CHECK_INT(mark_begun(&state, getpid()), 0);
    CHECK_INT(mkdirat(state.dir_fd, "work/work", 0), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/containers") + count("data/names") + count("data/trash"), 0);
    CHECK_INT(count("run/pyrootless/running"), 0);
    end();
}

TEST(never_begun_is_not_kept)
{
    begin();
    struct prl_state state;
    CHECK_INT(create("web", false, false, &state), 0);
    CHECK_INT(prl_state_write_config(&state, "{}", 2, &error), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/containers") + count("data/names") + count("data/trash"), 0);
    end();
}

TEST(throw_away_lives_in_the_runtime_directory)
{
    begin();
    struct prl_state state;
    char expected[PATH_MAX];
    CHECK_INT(create("web", false, true, &state), 0);
    snprintf(expected, sizeof expected, "%s/pyrootless/containers/%s", session, state.id);
    CHECK_STR(state.path, expected);
    CHECK(state.remove && state.marker_fd == -1);
    CHECK_INT(prl_state_write_config(&state, "{}", 2, &error), 0);
    CHECK_INT(count("data/containers"), 0);
    CHECK_INT(count("data/names"), 1);
    struct prl_state second;
    CHECK_INT(create("web", false, false, &second), -EEXIST);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("run/pyrootless/containers") + count("run/pyrootless/running"), 0);
    CHECK_INT(count("data/names"), 0);
    end();
}

/* The inode of its directory; 0: that is not as a new one. */
static ino_t throw_away(struct prl_state *ret)
{
    struct stat st;
    char path[PATH_MAX];
    if (create(NULL, true, true, ret) < 0 || fstat(ret->dir_fd, &st) < 0)
        return 0;
    snprintf(path, sizeof path, "run/pyrootless/containers/%s", ret->id);
    return count(path) == 0 && (st.st_mode & 07777) == 0700 ? st.st_ino : 0;
}

TEST(the_directory_of_a_throw_away_is_used_again_empty)
{
    begin();
    struct prl_state first, second, third;
    ino_t inode = throw_away(&first);
    CHECK(throw_away(&second) > 0);
    CHECK_INT(prl_state_write_config(&first, "{}", 2, &error), 0);
    CHECK_INT(prl_state_finish(&dirs, &first, &error), 0);
    CHECK_INT(count("run/pyrootless/spare"), 0);
    CHECK(throw_away(&third) == inode);
    CHECK_INT(count("run/pyrootless/spare"), -1);
    CHECK_INT(prl_state_finish(&dirs, &second, &error), 0);
    CHECK_INT(prl_state_finish(&dirs, &third, &error), 0);
    CHECK_INT(count("run/pyrootless/spare"), 0);
    CHECK_INT(count("run/pyrootless/containers") + count("run/pyrootless/running"), 0);
    end();
}

TEST(a_spare_directory_that_somebody_filled_is_not_taken)
{
    begin();
    struct prl_state state;
    CHECK_INT(mkdirat(dirs.runtime_fd, "spare", 0700), 0);
    CHECK_INT(mkdirat(dirs.runtime_fd, "spare/below", 0700), 0);
    CHECK(throw_away(&state) > 0);
    CHECK_INT(count("run/pyrootless/spare"), -1);
    CHECK_INT(mkdirat(state.dir_fd, "below", 0700), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(mkdirat(dirs.runtime_fd, "spare", 0700), 0);
    CHECK_INT(fchmodat(dirs.runtime_fd, "spare", 0755, 0), 0);
    CHECK(throw_away(&state) > 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("run/pyrootless/containers") + count("run/pyrootless/running"), 0);
    end();
}

/* A --rm container with its config.json, begun; the inode of its directory. */
static ino_t begun(const char *name, struct prl_state *ret)
{
    struct stat st;
    if (create(name, true, false, ret) < 0 ||
        prl_state_write_config(ret, "{}", 2, &error) < 0 || mark_begun(ret, getpid()) < 0 ||
        fstat(ret->dir_fd, &st) < 0)
        return 0;
    return st.st_ino;
}

/* "MARKER", its first line, or what is not as in a new directory that was just locked. */
static const char *as_new(const struct prl_state *state)
{
    static char text[256];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "data/containers/%s", state->id);
    int entries = count(path);
    snprintf(path, sizeof path, "data/containers/%s/upper", state->id);
    int upper = count(path);
    snprintf(path, sizeof path, "data/containers/%s/work", state->id);
    if (entries != 4 || upper != 0 || count(path) != 0) /* upper, work, remove, config.json */
        return "entries";
    if (mode_of(state->dir_fd, ".") != 0700 || mode_of(state->dir_fd, "upper") != 0755 ||
        mode_of(state->dir_fd, "work") != 0700 || mode_of(state->dir_fd, "remove") != 0600)
        return "modes";
    read_text(state->dir_fd, "remove", text, sizeof text);
    text[strcspn(text, "\n") + 1] = '\0';
    return text;
}

/* A start ends, and the next command finds time. */
static void end_and_sweep(struct prl_state *state)
{
    CHECK_INT(prl_state_finish(&dirs, state, &error), 0);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(count("data/spare"), 3);
    CHECK_INT(count("data/spent"), -1);
}

/* Begin with a directory that is ready. */
static void begin_ready(void)
{
    struct prl_state state;
    begin();
    CHECK(begun(NULL, &state) > 0);
    end_and_sweep(&state);
}

TEST(the_directory_of_a_container_that_went_is_used_again_with_another_upper)
{
    begin_ready();
    struct prl_state first, second, third;
    ino_t inode = begun("a-long-name", &first);
    CHECK_STR(as_new(&first), "a-long-name\n");
    CHECK_INT(count("data/spare"), -1);
    CHECK_INT(mkdirat(first.dir_fd, "work/work", 0), 0); /* as overlayfs does */
    CHECK_INT(fchmodat(first.dir_fd, "upper", 0770, 0), 0);
    int upper_fd = openat(first.dir_fd, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int work_fd = openat(first.dir_fd, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(prl_state_finish(&dirs, &first, &error), 0);
    CHECK_INT(count("data/containers") + count("data/names") + count("data/trash"), 0);
    CHECK_INT(count("data/spent"), 3);
    CHECK(begun(NULL, &second) != inode);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(mkdirat(upper_fd, "seen", 0755), -1); /* whoever has the old one has nothing */
    CHECK_INT(errno, ENOENT);
    CHECK_INT(mkdirat(work_fd, "seen", 0755), -1);
    CHECK_INT(errno, ENOENT);
    close(upper_fd);
    close(work_fd);
    CHECK_INT(begun(NULL, &third), inode);
    CHECK_STR(as_new(&third), "\n");
    CHECK_INT(prl_state_finish(&dirs, &second, &error), 0);
    CHECK_INT(prl_state_finish(&dirs, &third, &error), 0);
    CHECK_INT(count("data/containers") + count("data/trash"), 0);
    end();
}

TEST(a_directory_is_used_so_often_and_replaced)
{
    begin();
    struct prl_state state;
    ino_t inode = begun(NULL, &state), last;
    end_and_sweep(&state); /* made in the way of a start: replaced at once */
    CHECK((last = begun(NULL, &state)) != inode);
    for (int i = 1; i < 128; i++) {
        end_and_sweep(&state);
        CHECK_INT(begun(NULL, &state), last);
        CHECK_STR(as_new(&state), "\n");
    }
    end_and_sweep(&state);
    CHECK(begun(NULL, &state) != last);
    CHECK_STR(as_new(&state), "\n");
    end_and_sweep(&state);
    CHECK_INT(count("data/trash"), 0);
    end();
}

TEST(what_a_container_wrote_goes_and_its_directory_is_used_again)
{
    begin_ready();
    struct prl_state state;
    ino_t inode = begun(NULL, &state);
    CHECK_INT(mkdirat(state.dir_fd, "upper/tmp", 0755), 0);
    CHECK_INT(prl_state_create_file(state.dir_fd, "upper/tmp/secret", "secret", 6), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/containers") + count("data/trash"), 0);
    CHECK_INT(count("data/spent"), 2);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(begun(NULL, &state), inode);
    CHECK_STR(as_new(&state), "\n");
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    end();
}

TEST(a_directory_with_something_unknown_in_it_is_not_used_again)
{
    begin();
    struct prl_state state;
    begun(NULL, &state);
    CHECK_INT(mkdirat(state.dir_fd, "other", 0755), 0);
    CHECK_INT(mkdirat(state.dir_fd, "upper/tmp", 0755), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/spent"), -1);
    CHECK_INT(count("data/containers") + count("data/trash"), 0);
    end();
}

TEST(links_to_the_scratch_directory_are_followed_by_the_removal)
{
    begin();
    struct prl_state state;
    char path[PATH_MAX];
    CHECK(begun(NULL, &state) > 0);
    snprintf(path, sizeof path, "%s/scratch", top);
    CHECK_INT(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/scratch/%s", top, state.id);
    CHECK_INT(mkdir(path, 0700), 0);
    static const char *const names[] = {"upper", "work"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/scratch/%s/%s", top, state.id, names[i]);
        CHECK_INT(mkdir(path, 0700), 0);
        CHECK_INT(unlinkat(state.dir_fd, names[i], AT_REMOVEDIR), 0);
        CHECK_INT(symlinkat(path, state.dir_fd, names[i]), 0);
    }
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("scratch"), 0);
    CHECK_INT(count("data/spent"), -1);
    CHECK_INT(count("data/containers") + count("data/trash"), 0);
    end();
}

TEST(what_is_written_after_the_end_goes)
{
    begin_ready();
    struct prl_state state;
    ino_t inode = begun(NULL, &state);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(mkdirat(dirs.data_fd, "spent/upper/late", 0755), 0);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(count("data/spent"), -1);
    CHECK(begun(NULL, &state) != inode);
    CHECK_STR(as_new(&state), "\n");
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    end();
}

TEST(one_directory_waits_and_one_is_ready)
{
    begin();
    struct prl_state states[4];
    for (size_t i = 0; i < 4; i++)
        CHECK(begun(NULL, &states[i]) > 0);
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(prl_state_finish(&dirs, &states[i], &error), 0);
        CHECK_INT(count("data/containers") + count("data/trash"), 3 - (int)i);
        CHECK_INT(count("data/spent"), 3);
        if (i == 1)
            CHECK_INT(prl_state_sweep(&dirs, &error), 0);
        CHECK_INT(count("data/spent"), i == 1 ? -1 : 3);
    }
    CHECK_INT(prl_state_sweep(&dirs, &error), 0); /* nothing to make: one is ready */
    CHECK_INT(count("data/spent"), 3);
    CHECK_INT(count("data/spare"), 3);
    end();
}

TEST(a_container_that_stays_takes_no_used_directory)
{
    begin_ready();
    struct prl_state state;
    CHECK_INT(create("web", false, false, &state), 0);
    CHECK_INT(state.again, 0);
    CHECK_INT(count("data/spare"), 3);
    CHECK_INT(mark_begun(&state, getpid()), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/spent"), -1);
    CHECK_INT(count("data/containers"), 1);
    end();
}

TEST(a_directory_that_is_not_as_new_is_not_taken)
{
    static const struct {
        const char *name;
        mode_t mode;
    } rows[] = {{".", 0755}, {"upper", 0777}, {"work", 0755}};
    begin_ready();
    struct prl_state state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = openat(dirs.data_fd, "spare", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(fchmodat(fd, rows[i].name, rows[i].mode, 0), 0);
        close(fd);
        CHECK(begun(NULL, &state) > 0);
        CHECK_STR(as_new(&state), "\n");
        CHECK_INT(state.again, 0);
        CHECK_INT(count("data/spare"), -1);
        end_and_sweep(&state);
    }
    CHECK_INT(count("data/containers") + count("data/trash"), 0);
    end();
}

TEST(names)
{
    begin();
    struct prl_state state, second;
    static const char *const bad[] = {"",    "a",    "-ab", ".ab", "_ab", "a/b",
                                      "a b", "a\nb", "..",  "aé",  "a%b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(create(bad[i], true, false, &state), -EINVAL);
        CHECK_INT(error.stage, PRL_STAGE_OPTIONS);
        CHECK_STR(error.syscall, "--name");
    }
    char longest[PRL_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[PRL_NAME_MAX + 1] = '\0';
    CHECK_INT(create(longest, true, false, &state), -EINVAL);
    longest[PRL_NAME_MAX] = '\0';
    CHECK_INT(create(longest, true, false, &state), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(create("0a_.-Z", true, false, &state), 0);
    CHECK_INT(create("0a_.-Z", true, false, &second), -EEXIST);
    char expected[256];
    snprintf(
        expected, sizeof expected,
        "the name \"0a_.-Z\" is taken by container %.12s: choose another, or remove that one "
        "with \"pyrootless rm 0a_.-Z\"",
        state.id);
    CHECK_STR(error.subject, expected);
    CHECK_INT(count("data/containers"), 1); /* the second left nothing */
    CHECK_INT(count("run/pyrootless/running"), 1);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    end();
}

TEST(name_that_leads_nowhere_is_taken_over)
{
    begin();
    struct prl_state state;
    char target[PATH_MAX] = "";
    CHECK_INT(symlinkat("../containers/gone", dirs.data_fd, "names/web"), 0);
    CHECK_INT(create("web", true, false, &state), 0);
    CHECK_INT(readlinkat(dirs.data_fd, "names/web", target, sizeof target - 1), 14 + 64);
    CHECK_STR(target + 14, state.id);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    int fd = openat(dirs.data_fd, "names/web", O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0600);
    close(fd);
    CHECK_INT(create("web", true, false, &state), -EEXIST);
    CHECK_INT(count("data/containers") + count("run/pyrootless/running"), 0);
    end();
}

TEST(name_of_a_dead_container_is_free)
{
    begin();
    struct prl_state state, second;
    CHECK_INT(create("web", true, false, &state), 0);
    die(&state);
    CHECK_INT(create("web", true, false, &second), 0);
    CHECK_INT(count("data/containers"), 1);
    /* a kept one holds its name */
    CHECK_INT(mark_begun(&second, getpid()), 0);
    CHECK_INT(create("web", true, false, &state), -EEXIST);
    CHECK_INT(prl_state_finish(&dirs, &second, &error), 0);
    CHECK_INT(count("data/names"), 0);
    end();
}

/* The name was released and given to another before the first owner's end is repeated. */
TEST(release_leaves_what_others_took)
{
    begin();
    struct prl_state state, second;
    CHECK_INT(create("web", true, false, &state), 0);
    CHECK_INT(unlinkat(dirs.data_fd, "names/web", 0), 0);
    CHECK_INT(create("web", true, false, &second), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/names"), 1);
    CHECK_INT(prl_state_finish(&dirs, &second, &error), 0);
    CHECK_INT(count("data/names"), 0);
    end();
}

static int umask_body(void)
{
    struct prl_state state;
    if (geteuid() == 0 && (setgid(STRANGER) < 0 || setuid(STRANGER) < 0))
        return 98;
    umask(0777);
    if (prl_dirs_open(data, &dirs, &error) < 0 || create("web", false, false, &state) < 0 ||
        prl_state_write_config(&state, "{}", 2, &error) < 0)
        return 1;
    int modes[] = {mode_of(dirs.data_fd, "."),      mode_of(dirs.data_fd, "names"),
                   mode_of(dirs.runtime_fd, "."),   mode_of(dirs.runtime_fd, "running"),
                   mode_of(state.dir_fd, "."),      mode_of(state.dir_fd, "work"),
                   mode_of(AT_FDCWD, dirs.runtime), mode_of(AT_FDCWD, dirs.data)};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (modes[i] != 0700)
            return 2;
    if (mode_of(state.dir_fd, "upper") != 0755 ||
        mode_of(state.dir_fd, "config.json") != 0600 || mode_of(state.dir_fd, "remove") != 0600)
        return 3;
    return prl_state_finish(&dirs, &state, &error) < 0 ? 4 : 0;
}

TEST(modes_do_not_depend_on_umask)
{
    fresh(STRANGER);
    CHECK_INT(in_child(umask_body), 0);
    end();
}
