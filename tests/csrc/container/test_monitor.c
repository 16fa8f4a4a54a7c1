// sources: csrc/limits/*.c csrc/base/**/*.c csrc/container/monitor/child.c
// sources: csrc/container/monitor/control.c csrc/container/monitor/cpu.c
// sources: csrc/container/monitor/disposition.c csrc/container/monitor/exec.c
// sources: csrc/container/monitor/mounts.c csrc/container/monitor/record.c
// sources: csrc/container/monitor/relay.c csrc/container/monitor/ring.c
// sources: csrc/container/monitor/socket.c csrc/container/monitor/tree.c
// sources: csrc/container/monitor/wait.c csrc/container/monitor/watch.c
// sources: csrc/container/log/writer.c csrc/container/log/file.c csrc/container/log/journal.c
// sources: csrc/container/log/records.c csrc/container/health/*.c csrc/container/events/*.c
// sources: csrc/container/state/text.c
// libs: -lyyjson
/* test_monitor.c: the end of a container, and signals to it: with ordinary children and with
 * real first processes of a pid namespace.  No clock decides: every step waits for a byte or an
 * end. */
#include "check.h"

#include "container/monitor/wait.h"
#include "monitor_fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { MIB = 1 << 20 };

static void unblock_all(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void body_exit(void *arg)
{
    _exit(*(int *)arg);
}

static void body_raise(void *arg)
{
    signal(*(int *)arg, SIG_DFL);
    raise(*(int *)arg);
}

/* --- the end --- */

TEST(exit_code)
{
    for (int without_pidfd = 0; without_pidfd < 2; without_pidfd++) {
        int code = 7;
        struct prl_status status = {0};
        struct prl_child child = start(body_exit, &code);
        if (without_pidfd) {
            close(child.pidfd);
            child.pidfd = -1;
        }
        CHECK_INT(end_of(&child, 0, &status), 0);
        CHECK_INT(status.ended_by, PRL_ENDED_EXIT);
        CHECK_INT(status.exit_code, 7);
        CHECK_INT(status.signal, 0);
        CHECK(status.wall_ns > 0);
        CHECK(status.max_rss_bytes > 0);
        CHECK_INT(prl_status_exit_code(&status), 7);
    }
}

TEST(signal_that_ended_it)
{
    int number = SIGUSR1;
    struct prl_status status = {0};
    struct prl_child child = start(body_raise, &number);
    CHECK_INT(end_of(&child, 0, &status), 0);
    CHECK_INT(status.ended_by, PRL_ENDED_SIGNAL);
    CHECK_INT(status.exit_code, -1);
    CHECK_INT(status.signal, SIGUSR1);
    CHECK_INT(prl_status_exit_code(&status), 128 + SIGUSR1);
}

TEST(own_sigkill_is_a_signal)
{
    int number = SIGKILL;
    struct prl_status status = {0};
    struct prl_child child = start(body_raise, &number);
    CHECK_INT(end_of(&child, 0, &status), 0);
    CHECK_INT(status.ended_by, PRL_ENDED_SIGNAL);
    CHECK_INT(status.signal, SIGKILL);
}

TEST(wall_limit)
{
    for (int without_pidfd = 0; without_pidfd < 2; without_pidfd++) {
        struct prl_status status = {0};
        struct prl_child child = start(body_pause, NULL);
        if (without_pidfd) {
            close(child.pidfd);
            child.pidfd = -1;
        }
        CHECK_INT(end_of(&child, 30000000, &status), 0);
        CHECK_INT(status.ended_by, PRL_ENDED_TIMEOUT);
        CHECK_INT(status.exit_code, -1);
        CHECK_INT(status.signal, SIGKILL);
        CHECK(status.wall_ns >= 30000000);
        CHECK_INT(prl_status_exit_code(&status), 137);
    }
}

TEST(wall_limit_counts_from_start)
{
    struct prl_status status = {0};
    struct prl_child child = start(body_pause, NULL);
    child.start_ns -= 3600ull * 1000000000u;
    CHECK_INT(end_of(&child, 3599ull * 1000000000u, &status), 0);
    CHECK_INT(status.ended_by, PRL_ENDED_TIMEOUT);
}

TEST(wall_limit_not_reached)
{
    int code = 0;
    struct prl_status status = {0};
    struct prl_child child = start(body_exit, &code);
    CHECK_INT(end_of(&child, UINT64_MAX, &status), 0);
    CHECK_INT(status.ended_by, PRL_ENDED_EXIT);
}

static void body_burning_grandchild(void *arg)
{
    (void)arg;
    if (fork() == 0) {
        char *memory = mmap(NULL, 48 * MIB, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        struct rusage usage = {0};
        while (usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec < 60000) {
            for (int i = 0; i < 100000; i++)
                memory[i]++;
            getrusage(RUSAGE_SELF, &usage);
        }
        _exit(0);
    }
    wait(NULL);
}

TEST(usage_includes_descendants)
{
    struct prl_status status = {0};
    struct prl_child child = start(body_burning_grandchild, NULL);
    CHECK_INT(end_of(&child, 0, &status), 0);
    CHECK(status.user_ns >= 60000000);
    CHECK(status.max_rss_bytes >= 48u * MIB);
    CHECK(status.max_rss_bytes < 4096ull * MIB);
}

TEST(second_wait_is_an_error)
{
    int code = 0;
    struct prl_status status = {0};
    struct prl_error error = {0};
    struct prl_child child = start(body_exit, &code);
    CHECK_INT(prl_child_wait(&child, 0, &status, &error), 0);
    CHECK_INT(prl_child_wait(&child, 0, &status, &error), -ECHILD);
    CHECK_INT(error.stage, PRL_STAGE_MONITOR);
    CHECK_STR(error.subject, "the container was waited for already");
    CHECK_INT(prl_child_signal(&child, SIGTERM, &error), -ESRCH);
    prl_child_close(&child);
}

TEST(reaped_by_somebody_else)
{
    int code = 0;
    struct prl_status status = {0};
    struct prl_error error = {0};
    struct prl_child child = start(body_exit, &code);
    waitpid(child.pid, NULL, 0);
    CHECK_INT(prl_child_wait(&child, 0, &status, &error), -ECHILD);
    CHECK(strstr(error.subject, "SIGCHLD"));
    prl_child_close(&child);
}

TEST(close_kills_and_reaps)
{
    struct prl_child child = start(body_pause, NULL);
    pid_t pid = child.pid;
    prl_child_close(&child);
    CHECK_INT(waitpid(pid, NULL, WNOHANG), -1);
    CHECK_INT(errno, ECHILD);
    CHECK_INT(child.pid, 0);
    CHECK_INT(child.pidfd, -1);
    prl_child_close(&child);
}

TEST(close_of_zeroed_leaves_descriptor_0)
{
    struct prl_child child = {0};
    int before = fcntl(0, F_GETFD);
    prl_child_close(&child);
    CHECK_INT(fcntl(0, F_GETFD), before);
}

/* --- signals to the first process of a pid namespace --- */

enum attitude { DEFAULT, IGNORES, BLOCKS, CATCHES, CATCHES_ONCE };

static void on_signal(int number)
{
    _exit(number + 1);
}

static void on_signal_once(int number)
{
    (void)number;
    say_once();
}

static void body_attitude(void *arg)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    switch (*(enum attitude *)arg) {
    case IGNORES:
        signal(SIGTERM, SIG_IGN);
        break;
    case BLOCKS:
        sigprocmask(SIG_BLOCK, &set, NULL);
        break;
    case CATCHES:
        sigaction(SIGTERM, &action, NULL);
        break;
    case CATCHES_ONCE:
        action = (struct sigaction){.sa_handler = on_signal_once, .sa_flags = SA_RESETHAND};
        sigaction(SIGTERM, &action, NULL);
        break;
    case DEFAULT:
        break;
    }
    say_ready();
    if (*(enum attitude *)arg == BLOCKS) {
        int number;
        sigwait(&set, &number);
        _exit(number + 2);
    }
    char byte;
    while (read(once[0], &byte, 1) != 1) /* a caught signal may interrupt it */
        ;
    _exit(99);
}

struct expectation {
    enum attitude attitude;
    int delivered; /* what prl_child_signal returns */
    int ended_by, exit_code, signal, shell;
};

static void expect_end(const struct expectation *e)
{
    struct prl_error error = {0};
    struct prl_status status = {0};
    enum attitude attitude = e->attitude;
    struct prl_child child = start_first(body_attitude, &attitude);
    if (!first_process_available)
        return;
    wait_ready();
    wait_asleep(child.pid);
    CHECK_INT(prl_child_signal(&child, SIGTERM, &error), e->delivered);
    if (attitude == IGNORES) { /* still there, and dies only of SIGKILL */
        CHECK_INT(prl_child_signal(&child, 0, &error), 0);
        CHECK_INT(prl_child_signal(&child, SIGKILL, &error), 0);
    }
    CHECK_INT(end_of(&child, 0, &status), 0);
    CHECK_INT(status.ended_by, e->ended_by);
    CHECK_INT(status.exit_code, e->exit_code);
    CHECK_INT(status.signal, e->signal);
    CHECK_INT(prl_status_exit_code(&status), e->shell);
}

TEST(first_process_with_default_action_ends_by_the_signal)
{
    expect_end(&(struct expectation){DEFAULT, 1, PRL_ENDED_SIGNAL, -1, SIGTERM, 143});
}

TEST(first_process_that_ignores_stays_until_killed)
{
    expect_end(&(struct expectation){IGNORES, 0, PRL_ENDED_KILLED, -1, SIGKILL, 137});
}

TEST(first_process_that_blocks_gets_it)
{
    /* Often: inside sigwait the signal looks unblocked for a moment. */
    for (int i = 0; i < 30; i++)
        expect_end(
            &(struct expectation){BLOCKS, 0, PRL_ENDED_EXIT, SIGTERM + 2, 0, SIGTERM + 2});
}

TEST(first_process_that_catches_gets_it)
{
    expect_end(&(struct expectation){CATCHES, 0, PRL_ENDED_EXIT, SIGTERM + 1, 0, SIGTERM + 1});
}

TEST(first_process_that_catches_once_is_not_killed)
{
    expect_end(&(struct expectation){CATCHES_ONCE, 0, PRL_ENDED_EXIT, 99, 0, 99});
}

static void body_ready_pause(void *arg)
{
    say_ready();
    body_pause(arg);
}

TEST(harmless_signals_do_not_end_the_first_process)
{
    static const int harmless[] = {0,        SIGCHLD, SIGCONT, SIGURG,
                                   SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU};
    struct prl_error error = {0};
    struct prl_status status = {0};
    struct prl_child child = start_first(body_ready_pause, NULL);
    if (!first_process_available)
        return;
    wait_ready();
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        CHECK_INT(prl_child_signal(&child, harmless[i], &error), 0);
    CHECK_INT(child.fatal_signal, 0);
    CHECK_INT(prl_child_signal(&child, SIGRTMIN + 3, &error), 1);
    CHECK_INT(end_of(&child, 0, &status), 0);
    CHECK_INT(status.signal, SIGRTMIN + 3);
}

TEST(plain_child_ends_by_the_signal_too)
{
    struct prl_error error = {0};
    struct prl_status status = {0};
    struct prl_child child = start(body_ready_pause, NULL);
    wait_ready();
    CHECK(prl_child_signal(&child, SIGHUP, &error) >= 0);
    CHECK_INT(end_of(&child, 0, &status), 0);
    CHECK_INT(status.ended_by, PRL_ENDED_SIGNAL);
    CHECK_INT(status.signal, SIGHUP);
}

/* --- forwarded signals --- */

static int run_forwarding(struct prl_child *child, struct prl_status *status)
{
    struct prl_error error = {0};
    struct prl_monitor_options options = {.forward_signals = true};
    int r = prl_monitor_run(child, &options, status, &error);
    prl_child_close(child);
    return r;
}

static void body_forwarded(void *arg)
{
    signal(*(int *)arg, on_signal);
    unblock_all();
    kill(getppid(), *(int *)arg);
    body_pause(NULL);
}

TEST(signals_are_forwarded)
{
    const int numbers[] = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGUSR1,
                           SIGUSR2, SIGTSTP, SIGCONT, SIGALRM, SIGRTMIN + 1};
    sigset_t mask;
    sigfillset(&mask); /* the child may be faster than the monitor */
    sigdelset(&mask, SIGPIPE);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int number = numbers[i];
        struct prl_status status = {0};
        sigset_t before;
        sigprocmask(SIG_BLOCK, &mask, &before);
        struct prl_child child = start(body_forwarded, &number);
        int r = run_forwarding(&child, &status);
        sigprocmask(SIG_SETMASK, &before, NULL);
        CHECK_INT(r, 0);
        CHECK_INT(status.exit_code, number + 1);
    }
}

static void on_interrupt(int number)
{
    kill(getppid(), number);
}

static void body_stubborn(void *arg)
{
    (void)arg;
    signal(SIGINT, on_interrupt);
    unblock_all();
    kill(getppid(), SIGINT);
    body_pause(NULL);
}

TEST(third_interrupt_kills)
{
    struct prl_status status = {0};
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, &before);
    struct prl_child child = start(body_stubborn, NULL);
    int r = run_forwarding(&child, &status);
    sigprocmask(SIG_SETMASK, &before, NULL);
    CHECK_INT(r, 0);
    CHECK_INT(status.ended_by, PRL_ENDED_KILLED);
    CHECK_INT(prl_status_exit_code(&status), 137);
}

static void body_hangup_then_user(void *arg)
{
    (void)arg;
    signal(SIGHUP, on_signal);
    signal(SIGUSR1, on_signal);
    unblock_all();
    kill(getppid(), SIGHUP);
    kill(getppid(), SIGUSR1);
    body_pause(NULL);
}

TEST(ignored_signals_stay_ignored)
{
    struct prl_status status = {0};
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &before);
    signal(SIGHUP, SIG_IGN); /* as nohup does */
    struct prl_child child = start(body_hangup_then_user, NULL);
    int r = run_forwarding(&child, &status);
    sigprocmask(SIG_SETMASK, &before, NULL);
    signal(SIGHUP, SIG_DFL);
    CHECK_INT(r, 0);
    CHECK_INT(status.exit_code, SIGUSR1 + 1);
}
