// sources: csrc/userns/*.c csrc/base/**/*.c csrc/container/state/**/*.c csrc/limits/**/*.c
// sources: csrc/container/events/*.c
// libs: -lyyjson
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
    CHECK(entry.remove && !entry.ephemeral);
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

TEST(ephemeral_lives_in_the_runtime_directory)
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

TEST(a_container_that_wrote_nothing_leaves_empty_directories_to_the_next_start)
{
    begin();
    struct prl_state first, second;
    CHECK(begun("web", &first) > 0);
    CHECK(begun(NULL, &second) > 0);
    CHECK_INT(mkdirat(first.dir_fd, "work/work", 0), 0); /* as overlayfs does */
    CHECK_INT(prl_state_finish(&dirs, &first, &error), 0);
    CHECK_INT(count("data/names") + count("data/trash"), 0);
    CHECK_INT(count("data/containers"), 1);
    CHECK_INT(count("data/spent"), 2);                      /* upper, work */
    CHECK_INT(prl_state_finish(&dirs, &second, &error), 0); /* one waits already */
    CHECK_INT(count("data/containers") + count("data/trash"), 0);
    CHECK_INT(count("data/spent"), 2);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(count("data/spent"), -1);
    end();
}

TEST(what_a_container_wrote_goes_at_once)
{
    begin();
    struct prl_state state;
    CHECK(begun(NULL, &state) > 0);
    CHECK_INT(mkdirat(state.dir_fd, "upper/tmp", 0755), 0);
    CHECK_INT(prl_state_create_file(state.dir_fd, "upper/tmp/secret", "secret", 6), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/containers") + count("data/trash"), 0);
    CHECK_INT(count("data/spent"), -1);
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
    snprintf(expected, sizeof expected,
             "Conflict. The container name \"/0a_.-Z\" is already in use by container "
             "\"%.12s\". You "
             "have to remove (or rename) that container to be able to reuse that name.",
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
