// sources: csrc/container/state/marks.c
// sources: csrc/limits/*.c csrc/base/**/*.c csrc/cli/attach/*.c csrc/cli/streams.c
// sources: csrc/container/monitor/child.c csrc/container/monitor/control.c
// sources: csrc/container/monitor/cpu.c csrc/container/monitor/disposition.c
// sources: csrc/container/monitor/exec.c csrc/container/monitor/mounts.c
// sources: csrc/container/monitor/record.c csrc/container/monitor/relay.c
// sources: csrc/container/monitor/ring.c csrc/container/monitor/socket.c
// sources: csrc/container/monitor/tree.c csrc/container/monitor/wait.c
// sources: csrc/container/monitor/watch.c
// sources: csrc/container/log/writer.c csrc/container/log/file.c csrc/container/log/journal.c
// sources: csrc/container/log/records.c csrc/container/health/*.c csrc/container/events/*.c
// sources: csrc/container/state/text.c
// libs: -lyyjson
/* test_attach.c: the interactive front, driven through a pty as a person would. */
#include "check.h"

#include "attach_fixture.h"

static void body_much_output(struct scene *scene)
{
    report(scene, "%d", (int)getppid());
    await_gate(scene);
    for (int i = 0; i < LINES; i++)
        printf("line %d of the output\n", i);
    printf("the very last line");
    fflush(stdout);
    _exit(7);
}

/* The user's terminal takes no more: like a screen that was stopped with ctrl-s. */
static void fill_screen(const struct scene *scene)
{
    int screen = ioctl(scene->user, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    while (write(screen, "#", 1) == 1)
        ;
    close(screen);
}

/* Until the process is in one of these states; see proc_pid_stat(5). */
static void await_state(pid_t pid, const char *states)
{
    char path[32], text[64], *at = NULL;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        text[n < 0 ? 0 : n] = '\0';
        at = strstr(text, ") ");
    } while (at && !strchr(states, at[2]) && sched_yield() == 0);
}

TEST(last_output_and_exit_code_arrive)
{
    struct scene scene = {.body = body_much_output, .options = {.interactive = true}};
    open_scene(&scene);
    fill_screen(&scene);
    pid_t monitor = atoi(next_report(&scene));
    (void)!write(scene.gate[1], "g", 1);
    CHECK_STR(next_report(&scene), "finish 1 7 0");
    /* The container and its monitor are over, and the front knows, before a byte is looked at.
     */
    await_state(monitor, "Z");
    await_state(scene.front, "SZ");
    see(&scene, "the very last line");
    CHECK_INT(end_of_front(&scene), 7);
    CHECK(terminal_is_as_before(&scene));
    const char *at = scene.seen + strspn(scene.seen, "#");
    char line[64];
    for (int i = 0; i < LINES; i++, at += strlen(line)) {
        snprintf(line, sizeof line, "line %d of the output\r\n", i);
        CHECK(strncmp(at, line, strlen(line)) == 0);
    }
    CHECK_STR(at, "the very last line");
    close_scene(&scene);
}

static void body_echoes(struct scene *scene)
{
    char line[64];
    (void)scene;
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) && strcmp(line, "quit\n") != 0) {
        printf("got <%.*s>\n", (int)strcspn(line, "\n"), line);
        fflush(stdout);
    }
    _exit(3);
}

TEST(typed_text_arrives_and_the_terminal_is_raw_meanwhile)
{
    struct scene scene = {.body = body_echoes, .options = {.interactive = true}};
    open_scene(&scene);
    see(&scene, "ready");
    type(&scene, "hello\r");
    see(&scene, "got <hello>");
    CHECK(terminal_is_raw(&scene));
    type(&scene, "a\x10"
                 "b\r"); /* half of the keys that detach goes through */
    see(&scene, "got <a\x10"
                "b>");
    type(&scene, "quit\r");
    CHECK_INT(end_of_front(&scene), 3);
    CHECK(terminal_is_as_before(&scene));
    close_scene(&scene);
}

static void body_interrupted(struct scene *scene)
{
    (void)scene;
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}

TEST(control_c_is_the_containers)
{
    struct scene scene = {.body = body_interrupted, .options = {.interactive = true}};
    open_scene(&scene);
    see(&scene, "ready");
    /* "ready" comes through the front, which was raw before it carried anything. */
    type(&scene, "\x03");
    CHECK_INT(end_of_front(&scene), 128 + SIGINT);
    CHECK_STR(next_report(&scene), "finish 2 -1 2");
    close_scene(&scene);
}

static void body_lives_on(struct scene *scene)
{
    static char much[4096];
    printf("ready\n");
    fflush(stdout);
    await_gate(scene);
    memset(much, 'x', sizeof much);
    for (int i = 0; i < 100; i++) /* nobody reads: it must not block */
        (void)!write(1, much, sizeof much);
    report(scene, "alive");
    _exit(5);
}

static void expect_detached(const char *option, const char *keys)
{
    struct scene scene = {
        .body = body_lives_on,
        .options = {.interactive = true, .detach_keys = option, .name = "box"}};
    open_scene(&scene);
    see(&scene, "ready");
    type(&scene, keys);
    CHECK_INT(end_of_front(&scene), DETACHED_CODE);
    CHECK(terminal_is_as_before(&scene));
    see(&scene, "container box goes on running");
    CHECK(strstr(scene.seen, "container box goes on running"));
    (void)!write(scene.gate[1], "g", 1);
    CHECK_STR(next_report(&scene), "alive");
    CHECK_STR(next_report(&scene), "finish 1 5 0");
    close_scene(&scene);
}

TEST(keys_detach_and_the_container_goes_on)
{
    expect_detached(NULL, "\x10\x11");
    expect_detached("ctrl-a,x", "\x01x");
}

TEST(no_keys_no_detaching)
{
    struct scene scene = {.body = body_echoes,
                          .options = {.interactive = true, .detach_keys = ""}};
    open_scene(&scene);
    see(&scene, "ready");
    type(&scene, "\x10\x10z\r");
    see(&scene, "got <\x10\x10z>");
    type(&scene, "quit\r");
    CHECK_INT(end_of_front(&scene), 3);
    close_scene(&scene);
}

TEST(killed_front_takes_the_container_along)
{
    struct scene scene = {.body = body_interrupted, .options = {.interactive = true}};
    open_scene(&scene);
    see(&scene, "ready");
    kill(scene.front, SIGKILL);
    CHECK_INT(end_of_front(&scene), -SIGKILL);
    CHECK_STR(next_report(&scene), "finish 4 -1 9");
    close_scene(&scene);
}

static void on_signal(int number)
{
    _exit(number + 1);
}

static void body_catches(struct scene *scene)
{
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGUSR1, on_signal);
    body_interrupted(scene);
}

TEST(signals_of_the_front_are_the_containers)
{
    static const int numbers[] = {SIGTERM, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct scene scene = {.body = body_catches, .options = {.interactive = true}};
        open_scene(&scene);
        see(&scene, "ready");
        kill(scene.front, numbers[i]);
        CHECK_INT(end_of_front(&scene), numbers[i] + 1);
        CHECK(terminal_is_as_before(&scene));
        close_scene(&scene);
    }
}

static void on_term_tell(int number)
{
    (void)number;
    (void)!write(1, "no\n", 3);
}

static void body_refuses(struct scene *scene)
{
    signal(SIGTERM, on_term_tell);
    body_interrupted(scene);
}

TEST(third_termination_kills)
{
    struct scene scene = {.body = body_refuses, .options = {.interactive = true}};
    open_scene(&scene);
    see(&scene, "ready");
    kill(scene.front, SIGTERM);
    see(&scene, "no\r\n");
    kill(scene.front, SIGTERM);
    see(&scene, "no\r\nno\r\n");
    kill(scene.front, SIGTERM);
    CHECK_INT(end_of_front(&scene), 137);
    CHECK_STR(next_report(&scene), "finish 4 -1 9");
    close_scene(&scene);
}

TEST(fault_of_the_front_restores_the_terminal)
{
    struct scene scene = {.body = body_interrupted, .options = {.interactive = true}};
    open_scene(&scene);
    see(&scene, "ready");
    CHECK(terminal_is_raw(&scene));
    kill(scene.front, SIGABRT);
    CHECK_INT(end_of_front(&scene), -SIGABRT);
    CHECK(terminal_is_as_before(&scene));
    CHECK_STR(next_report(&scene), "finish 4 -1 9");
    close_scene(&scene);
}

static void await_size(int rows, int columns)
{
    struct winsize size = {0};
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    while (ioctl(0, TIOCGWINSZ, &size) == 0 && (size.ws_row != rows || size.ws_col != columns))
        sigwait(&set, &number);
    printf("size %dx%d\n", size.ws_row, size.ws_col);
    fflush(stdout);
}

static void on_window(int number)
{
    (void)number;
}

static void body_window(struct scene *scene)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGWINCH, on_window); /* a default SIGWINCH would not be queued */
    await_gate(scene);
    await_size(33, 101);
    await_size(44, 77);
    _exit(0);
}

TEST(window_size_follows_the_users)
{
    struct scene scene = {.body = body_window, .options = {.interactive = true}};
    struct winsize first = {.ws_row = 33, .ws_col = 101}, second = {.ws_row = 44, .ws_col = 77};
    open_scene(&scene);
    ioctl(scene.user, TIOCSWINSZ, &first);
    (void)!write(scene.gate[1], "g", 1);
    see(&scene, "size 33x101");
    ioctl(scene.user, TIOCSWINSZ, &second);
    see(&scene, "size 44x77");
    CHECK_INT(end_of_front(&scene), 0);
    close_scene(&scene);
}

TEST(failed_start_is_reported)
{
    struct scene scene = {.fails = true, .options = {.interactive = true}};
    open_scene(&scene);
    CHECK_INT(end_of_front(&scene), FAILED_CODE);
    CHECK_STR(next_report(&scene), "finish none");
    char expected[128];
    snprintf(expected, sizeof expected, "error %d %d execve /no/such/program", -ENOENT,
             PRL_STAGE_EXEC);
    CHECK_STR(next_report(&scene), expected);
    CHECK(terminal_is_as_before(&scene));
    close_scene(&scene);
}

TEST(wall_limit_ends_it)
{
    struct scene scene = {.body = body_interrupted,
                          .options = {.interactive = true, .wall_limit_ns = 50000000}};
    open_scene(&scene);
    CHECK_INT(end_of_front(&scene), 137);
    CHECK_STR(next_report(&scene), "finish 3 -1 9");
    CHECK(terminal_is_as_before(&scene));
    close_scene(&scene);
}

static void body_names_monitor(struct scene *scene)
{
    report(scene, "%d", (int)getppid());
    body_interrupted(scene);
}

TEST(killed_monitor_is_an_error)
{
    struct scene scene = {.body = body_names_monitor, .options = {.interactive = true}};
    open_scene(&scene);
    see(&scene, "ready");
    kill(atoi(next_report(&scene)), SIGKILL);
    CHECK_INT(end_of_front(&scene), FAILED_CODE);
    char expected[160];
    snprintf(
        expected, sizeof expected,
        "error %d %d recvmsg the container's monitor was killed, and the container with it",
        -ECHILD, PRL_STAGE_MONITOR);
    CHECK_STR(next_report(&scene), expected);
    CHECK(terminal_is_as_before(&scene));
    close_scene(&scene);
}

static void on_user_signal(int number)
{
    (void)number;
}

static void body_closes_and_reopens(struct scene *scene)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR1, on_user_signal);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    report(scene, "closed");
    for (int i = 0; i < 3; i++) { /* each went through the front: it saw the closed terminal */
        sigwait(&set, &number);
        report(scene, "signal %d", i);
    }
    int terminal = open("/dev/tty", O_RDWR);
    (void)!write(terminal, "back again\n", 11);
    _exit(6);
}

TEST(terminal_closed_for_a_while_is_not_over)
{
    struct scene scene = {.body = body_closes_and_reopens, .options = {.interactive = true}};
    open_scene(&scene);
    CHECK_STR(next_report(&scene), "closed");
    for (int i = 0; i < 3; i++) {
        char expected[16];
        kill(scene.front, SIGUSR1);
        snprintf(expected, sizeof expected, "signal %d", i);
        CHECK_STR(next_report(&scene), expected);
    }
    see(&scene, "back again");
    CHECK_INT(end_of_front(&scene), 6);
    close_scene(&scene);
}

/* --- without a terminal of the user's own --- */

static int front_without_terminal(struct scene *scene, int in, int out)
{
    alarm(GUARD_SECONDS);
    (void)!pipe2(scene->gate, O_CLOEXEC);
    (void)!pipe2(scene->report, O_CLOEXEC);
    scene->options.finish = scene_finish;
    scene->user = scene->held = -1;
    scene->seen = NULL;
    fflush(stdout);
    scene->front = fork();
    if (scene->front == 0) {
        dup2(in, 0);
        dup2(out, 1);
        close(in);
        close(out);
        front_main(scene);
    }
    close(in);
    close(out);
    return end_of_front(scene);
}

TEST(input_that_is_no_terminal_is_refused_and_finished)
{
    struct scene scene = {.body = body_echoes, .options = {.interactive = true}};
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_INT(front_without_terminal(&scene, in, open("/dev/null", O_WRONLY | O_CLOEXEC)),
              FAILED_CODE);
    CHECK_STR(next_report(&scene), "finish none");
    char expected[160];
    snprintf(expected, sizeof expected,
             "error %d %d --tty the input device is not a TTY: leave out -t (keep -i to pipe "
             "input)",
             -ENOTTY, PRL_STAGE_OPTIONS);
    CHECK_STR(next_report(&scene), expected);
    close_scene(&scene);
}

static void body_short(struct scene *scene)
{
    (void)scene;
    printf("tty %d\n", isatty(1));
    fflush(stdout);
}

TEST(terminal_alone_needs_no_terminal_outside)
{
    struct scene scene = {.body = body_short};
    int out[2];
    char text[32] = "";
    CHECK_INT(pipe2(out, O_CLOEXEC), 0);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_INT(front_without_terminal(&scene, in, out[1]), 0);
    CHECK_INT(read(out[0], text, sizeof text - 1), 7);
    CHECK_STR(text, "tty 1\r\n");
    close(out[0]);
    close_scene(&scene);
}

static void body_endless(struct scene *scene)
{
    (void)scene;
    for (;;)
        (void)!write(1, "yes\n", 4);
}

TEST(reader_that_left_hangs_up)
{
    struct scene scene = {.body = body_endless};
    int out[2];
    CHECK_INT(pipe2(out, O_CLOEXEC), 0);
    close(out[0]);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_INT(front_without_terminal(&scene, in, out[1]), 128 + SIGHUP);
    CHECK_STR(next_report(&scene), "finish 2 -1 1");
    close_scene(&scene);
}
