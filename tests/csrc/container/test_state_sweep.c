// sources: csrc/userns/*.c csrc/base/**/*.c csrc/container/state/**/*.c csrc/limits/**/*.c
// sources: csrc/container/events/*.c
// libs: -lyyjson
/* test_state_sweep.c: what a sweep finds, ends, leaves; death at every moment.
 * In: containers whose monitors "died".  Out: what is left of them. */
#include "fault_fixture.h"
#include "state_fixture.h"

#include <signal.h>
#include <sys/file.h>

TEST(sweep_with_nothing_to_do)
{
    begin();
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(prl_scan_is_done(&dirs), 1);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    end();
}

TEST(sweep_leaves_the_living)
{
    begin();
    struct prl_state state;
    CHECK_INT(create("web", true, false, &state), 0);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(count("data/containers"), 1);
    CHECK_INT(count("run/pyrootless/running"), 1);
    die(&state);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(count("data/containers") + count("data/names") + count("data/trash"), 0);
    CHECK_INT(count("run/pyrootless/running"), 0);
    end();
}

/* A process that stands for a container's: in a user namespace of its own, as all are. */
static pid_t start_sleeper_with(bool contained)
{
    char byte;
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0)
        exit(99);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed check must not leave it behind */
        if ((contained && unshare(CLONE_NEWUSER) < 0) || write(ready[1], "", 1) != 1)
            _exit(NO_NAMESPACE);
    }
    while (pid == 0)
        pause();
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        exit(99);
    close(ready[0]);
    return pid;
}

static pid_t start_sleeper(void)
{
    return start_sleeper_with(true);
}

TEST(sweep_ends_no_process_that_no_container_began)
{
    begin();
    struct prl_state state;
    int status;
    pid_t pid = start_sleeper_with(false);
    CHECK_INT(create("web", false, false, &state), 0);
    CHECK_INT(mark_begun(&state, pid), 0);
    die(&state);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(waitpid(pid, &status, WNOHANG), 0);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    end();
}

TEST(sweep_ends_what_the_monitor_left)
{
    begin();
    struct prl_state state;
    int status;
    pid_t pid = start_sleeper();
    CHECK_INT(create("web", false, false, &state), 0);
    CHECK_INT(mark_begun(&state, pid), 0);
    int dir_fd = dup(state.dir_fd);
    die(&state);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    /* it was to be kept, and says that nobody saw its end */
    char text[512];
    read_text(dir_fd, "status.json", text, sizeof text);
    close(dir_fd);
    const char *json = "{\"ended_by\":\"lost\",\"exit_code\":-1,\"signal\":9,";
    CHECK_INT(strncmp(text, json, strlen(json)), 0);
    CHECK_INT(count("data/containers"), 1);
    CHECK_INT(count("data/names"), 1);
    CHECK_INT(count("run/pyrootless/running"), 0);
    end();
}

/* In config.json, as JSON writes it; a path that is no group of this container is left alone.
 */
TEST(sweep_removes_the_groups_that_config_json_names)
{
    begin();
    struct prl_state state;
    char json[4 * PATH_MAX];
    CHECK_INT(create(NULL, true, true, &state), 0);
    CHECK_INT(mkdirat(dirs.runtime_fd, "of\\x2done", 0700), 0);
    CHECK_INT(mkdirat(dirs.runtime_fd, "pyrootless-other", 0700), 0);
    snprintf(json, sizeof json, "%s/of\\x2done/pyrootless-%s", dirs.runtime, state.id);
    CHECK_INT(mkdir(json, 0700), 0);
    snprintf(json, sizeof json,
             "{\"annotations\":{\"io.pyrootless.limits.cgroups\":\"2 pids "
             "%s/of\\\\x2done/pyrootless-%s\\n1 cpu %s/pyrootless-other\"}}",
             dirs.runtime, state.id, dirs.runtime);
    CHECK_INT(prl_state_write_config(&state, json, strlen(json), &error), 0);
    die(&state);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(unlinkat(dirs.runtime_fd, "of\\x2done", AT_REMOVEDIR), 0);
    CHECK_INT(unlinkat(dirs.runtime_fd, "pyrootless-other", AT_REMOVEDIR), 0);
    end();
}

static int without_pidfd_body(void)
{
    if (refuse_call(SYS_pidfd_open, ENOSYS) < 0 || prl_sys_pidfd_open(getpid()) != -1)
        return 1;
    return prl_state_sweep(&dirs, &error) == 1 ? 0 : 2;
}

TEST(sweep_without_pidfd)
{
    begin();
    struct prl_state state;
    int status;
    pid_t pid = start_sleeper();
    CHECK_INT(create(NULL, true, true, &state), 0);
    CHECK_INT(mark_begun(&state, pid), 0);
    die(&state);
    CHECK_INT(in_child(without_pidfd_body), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    end();
}

/* A cleaner of /tmp took empty directories away. */
TEST(missing_rooms_are_made_again)
{
    begin();
    struct prl_state state;
    CHECK_INT(unlinkat(dirs.runtime_fd, "mnt", AT_REMOVEDIR), 0);
    CHECK_INT(unlinkat(dirs.runtime_fd, "running", AT_REMOVEDIR), 0);
    CHECK_INT(unlinkat(dirs.data_fd, "containers", AT_REMOVEDIR), 0);
    prl_dirs_close(&dirs);
    open_dirs();
    CHECK_INT(mode_of(dirs.runtime_fd, "mnt"), 0700);
    CHECK_INT(create("web", true, false, &state), 0);
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    end();
}

/* The pid went to somebody else meanwhile. */
TEST(sweep_never_kills_a_stranger)
{
    begin();
    struct prl_state state;
    uint64_t ticks;
    bool dead;
    int status;
    pid_t pid = start_sleeper();
    CHECK_INT(create(NULL, true, false, &state), 0);
    CHECK_INT(prl_entry_start_ticks(pid, &ticks, &dead), 0);
    CHECK_INT(prl_entry_write_child(state.lock_fd, pid, ticks - 1), 0);
    die(&state);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(count("run/pyrootless/running"), 0);
    CHECK_INT(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGTERM);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    end();
}

TEST(sweep_is_bounded)
{
    begin();
    for (int i = 0; i < 100; i++) {
        struct prl_state state;
        CHECK_INT(create(NULL, true, true, &state), 0);
        die(&state);
    }
    CHECK_INT(prl_state_sweep(&dirs, &error), 64);
    CHECK_INT(prl_state_sweep(&dirs, &error), 36);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(count("run/pyrootless/containers") + count("run/pyrootless/running"), 0);
    end();
}

TEST(sweep_removes_a_big_tree_in_pieces)
{
    begin_in_memory();
    struct prl_state state;
    CHECK_INT(create(NULL, true, false, &state), 0);
    for (int i = 0; i < PRL_SWEEP_NAMES + 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "upper/%d", i);
        CHECK_INT(prl_state_create_file(state.dir_fd, name, "", 0), 0);
    }
    die(&state);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(count("data/containers"), 0);
    CHECK_INT(count("data/trash"), 1);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(count("data/trash"), 0);
    end();
}

TEST(one_sweeps_at_a_time)
{
    begin();
    struct prl_state state;
    CHECK_INT(create(NULL, true, true, &state), 0);
    die(&state);
    int fd = openat(dirs.runtime_fd, "sweep.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(flock(fd, LOCK_EX), 0);
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    close(fd);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    end();
}

TEST(broken_entries_are_dropped)
{
    begin();
    static const char *const lines[] = {
        "",
        "\n",
        "x",
        "0000000001 00000000000000000001 relative kept\n",
        "0000000001 00000000000000000001 /tmp strange\n",
        "-000000001 00000000000000000001 /tmp kept\n",
        "0000000000 00000000000000000000 /no newline kept",
    };
    char path[128] = "running/";
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        memset(path + 8, (int)('a' + i % 6), PRL_ID_LEN);
        path[8] = (char)('0' + i);
        path[8 + PRL_ID_LEN] = '\0';
        CHECK_INT(prl_state_create_file(dirs.runtime_fd, path, lines[i], strlen(lines[i])), 0);
    }
    CHECK_INT(prl_state_create_file(dirs.runtime_fd, "running/not-an-id", "", 0), 0);
    CHECK_INT(prl_state_sweep(&dirs, &error), 7);
    CHECK_INT(count("run/pyrootless/running"), 1);
    end();
}

/* An entry can name any directory: only .../containers/ID of that very id is ever removed. */
TEST(entries_remove_containers_only)
{
    begin();
    char path[128], line[512], victim_path[128];
    snprintf(victim_path, sizeof victim_path, "%s/victim", top);
    CHECK_INT(mkdir(victim_path, 0700), 0);
    snprintf(path, sizeof path, "running/%064d", 1);
    snprintf(line, sizeof line, "%010d %020d %s remove\n", 0, 0, victim_path);
    CHECK_INT(prl_state_create_file(dirs.runtime_fd, path, line, strlen(line)), 0);
    CHECK_INT(prl_state_sweep(&dirs, &error), -EBADMSG);
    CHECK_STR(error.subject, victim_path);
    CHECK_INT(count("victim"), 0);
    end();
}

/* A store with a space in its path, swept from a process that uses another store. */
TEST(sweep_works_for_other_stores)
{
    begin();
    struct prl_state state;
    struct prl_dirs other;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/other store", top);
    CHECK_INT(prl_dirs_open(path, &other, &error), 0);
    struct prl_state_options options = {.name = "web", .remove = true, .upper = true};
    CHECK_INT(prl_state_create(&other, &options, &state, &error), 0);
    die(&state);
    CHECK_INT(count("other store/containers") + count("other store/names"), 2);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(count("other store/containers") + count("other store/names"), 0);
    CHECK_INT(count("other store/trash"), 0);
    /* and when the store is gone altogether */
    CHECK_INT(prl_state_create(&other, &options, &state, &error), 0);
    die(&state);
    CHECK_INT(prl_io_remove_tree(AT_FDCWD, path), 0);
    CHECK_INT(prl_state_sweep(&dirs, &error), 1);
    CHECK_INT(count("run/pyrootless/running"), 0);
    prl_dirs_close(&other);
    end();
}

static void reboot_machine(void)
{
    prl_dirs_close(&dirs);
    prl_io_remove_tree(AT_FDCWD, session);
    mkdir(session, 0700);
    open_dirs();
}

TEST(scan_after_a_boot)
{
    begin();
    struct prl_state kept, removed, thrown;
    CHECK_INT(create("kept", false, false, &kept), 0);
    CHECK_INT(mark_begun(&kept, getpid()), 0);
    CHECK_INT(create("removed", true, false, &removed), 0);
    CHECK_INT(create("thrown", true, true, &thrown), 0);
    CHECK_INT(mkdirat(dirs.data_fd, "trash/old", 0700), 0);
    CHECK_INT(mkdirat(dirs.data_fd, "tmp/old", 0700), 0);
    CHECK_INT(mkdirat(dirs.data_fd, "tmp/new", 0700), 0);
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    CHECK_INT(utimensat(dirs.data_fd, "tmp/old", times, 0), 0);
    die(&kept);
    die(&removed);
    die(&thrown);
    reboot_machine();
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(count("data/containers"), 1);
    CHECK_INT(count("data/names"), 1);
    CHECK_INT(mode_of(dirs.data_fd, "names/kept"), 0777);
    CHECK_INT(count("data/trash"), 0);
    CHECK_INT(count("data/tmp"), 2); /* whoever makes images knows which of it is left */
    end();
}

/* Another session (another runtime directory) must not take the living for what a boot left. */
TEST(scan_leaves_the_living_of_other_sessions)
{
    begin();
    struct prl_state state;
    char other[PATH_MAX];
    CHECK_INT(create("web", true, false, &state), 0);
    snprintf(other, sizeof other, "%s/other", top);
    CHECK_INT(mkdir(other, 0700), 0);
    setenv("XDG_RUNTIME_DIR", other, 1);
    struct prl_dirs mine = dirs;
    open_dirs();
    CHECK_INT(prl_state_sweep(&dirs, &error), 0);
    CHECK_INT(prl_scan_is_done(&dirs), 1);
    CHECK_INT(count("data/containers") + count("data/names"), 2);
    prl_dirs_close(&dirs);
    dirs = mine;
    CHECK_INT(prl_state_finish(&dirs, &state, &error), 0);
    CHECK_INT(count("data/containers") + count("data/names"), 0);
    end();
}

/* What is killed at every stop below, once after each half of each system call. */
struct victim {
    bool kept, ephemeral, began, wrote;
};
static struct victim victim;

static int victim_body(void)
{
    struct prl_state state;
    if (create("web", !victim.kept, victim.ephemeral, &state) < 0 ||
        prl_state_write_config(&state, "{}", 2, &error) < 0)
        return 1;
    if (victim.began && mark_begun(&state, getpid()) < 0)
        return 2;
    if (!victim.ephemeral && mkdirat(state.dir_fd, "work/work", 0) < 0)
        return 3;
    if (victim.wrote && mkdirat(state.dir_fd, "upper/written", 0755) < 0)
        return 5;
    return prl_state_finish(&dirs, &state, &error) < 0 ? 4 : 0;
}

static int leftovers(void)
{
    return count("data/containers") + count("data/names") + count("data/trash") +
           count("run/pyrootless/running") + count("run/pyrootless/containers") +
           (count("data/spent") > 0);
}

/* Kill at every stop; a sweep, or a boot and a sweep, must leave nothing.  Returns the number
 * of stops; -n: something was left after the nth. */
static int kill_everywhere(struct victim which, bool reboot)
{
    victim = which;
    int nth = 1;
    for (; kill_at(victim_body, nth); nth++) {
        if (reboot)
            reboot_machine();
        if (prl_state_sweep(&dirs, &error) < 0 || leftovers() != 0)
            return -nth;
    }
    return prl_state_sweep(&dirs, &error) == 0 && leftovers() == 0 ? nth : -nth;
}

TEST(killed_at_every_moment)
{
    begin_in_memory();
    CHECK(kill_everywhere((struct victim){.began = true}, false) > 40);
    CHECK(kill_everywhere((struct victim){.began = true, .wrote = true}, false) > 40);
    CHECK(kill_everywhere((struct victim){.ephemeral = true, .began = true}, false) > 40);
    CHECK(kill_everywhere((struct victim){.kept = true}, false) > 40);
    end();
}

TEST(killed_at_every_moment_by_a_power_cut)
{
    begin_in_memory();
    CHECK(kill_everywhere((struct victim){.began = true}, true) > 40);
    CHECK(kill_everywhere((struct victim){.began = true, .wrote = true}, true) > 40);
    CHECK(kill_everywhere((struct victim){.ephemeral = true, .began = true}, true) > 40);
    CHECK(kill_everywhere((struct victim){.kept = true}, true) > 40);
    end();
}
