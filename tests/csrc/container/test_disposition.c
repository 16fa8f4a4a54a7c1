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
/* test_monitor_sight.c: which signals the kernel dropped, with real first processes of a pid
 * namespace.  Each step between two looks is forced by a byte; no clock decides. */
#include "check.h"

#include "container/monitor/child.h"
#include "container/monitor/wait.h"
#include "monitor_fixture.h"

enum { EXECUTED_CODE = 98 };

/* A program that says "ready" (descriptor 3) and reads until the end of 4. */
static void exec_reader(void)
{
    char code[64];
    snprintf(code, sizeof code, "echo r >&3; read line <&4; exit %d", EXECUTED_CODE);
    dup2(ready[1], 3);
    dup2(once[0], 4);
    execl("/bin/sh", "sh", "-c", code, (char *)NULL);
    _exit(127);
}

static void on_signal_exec(int number)
{
    (void)number;
    exec_reader();
}

/* Catches SIGTERM; busy until it has a line, then executes; the handler executes at once. */
static void body_exec(void *arg)
{
    signal(SIGTERM, on_signal_exec);
    fcntl(once[0], F_SETFL, *(bool *)arg ? O_NONBLOCK : 0);
    say_ready();
    char line[2];
    while (read(once[0], line, sizeof line) != sizeof line)
        ;
    fcntl(once[0], F_SETFL, 0);
    exec_reader();
}

static void wait_executed(void)
{
    char line[2];
    (void)!read(ready[0], line, sizeof line);
}

TEST(signal_that_an_exec_drops_is_seen)
{
    bool busy = true;
    struct prl_disposition before = {0};
    struct prl_child child = start_first(body_exec, &busy);
    if (!first_process_available)
        return;
    wait_ready();
    prl_disposition_take(child.pid, SIGTERM, &before);
    CHECK(before.caught && before.busy && before.image != 0);
    say_once(); /* what may happen between the look and the signal */
    wait_executed();
    kill(child.pid, SIGTERM);
    CHECK(prl_first_dropped(child.pid, SIGTERM, &before));
    prl_child_close(&child);
}

TEST(handler_that_executes_is_not_killed)
{
    bool busy = false;
    struct prl_status status = {0};
    struct prl_disposition before = {0};
    struct prl_child child = start_first(body_exec, &busy);
    if (!first_process_available)
        return;
    wait_ready();
    wait_asleep(child.pid);
    prl_disposition_take(child.pid, SIGTERM, &before);
    CHECK(before.caught && !before.busy);
    kill(child.pid, SIGTERM);
    wait_executed(); /* without the handler now, and the signal is gone */
    CHECK(!prl_first_dropped(child.pid, SIGTERM, &before));
    say_once();
    CHECK_INT(end_of(&child, 0, &status), 0);
    CHECK_INT(status.exit_code, EXECUTED_CODE);
}

/* Takes SIGTERM by sigwait(3) again and again, never SIGHUP. */
static void body_sigwait(void *arg)
{
    int number;
    sigset_t set;
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (;;) {
        say_ready();
        sigwait(&set, &number);
    }
}

/* It said "ready", and waits for a signal next. */
static void wait_in_sigwait(const struct prl_child *child, struct prl_disposition *ret)
{
    do
        prl_disposition_take(child->pid, SIGTERM, ret);
    while (!ret->sigwait && sched_yield() == 0);
}

TEST(first_process_back_in_sigwait_is_not_killed)
{
    struct prl_disposition before = {0}, again = {0};
    struct prl_child child = start_first(body_sigwait, NULL);
    if (!first_process_available)
        return;
    wait_ready();
    wait_in_sigwait(&child, &before);
    CHECK(before.defaults); /* as it looks from outside */
    kill(child.pid, SIGTERM);
    wait_ready();
    wait_in_sigwait(&child, &again);
    CHECK(!prl_first_dropped(child.pid, SIGTERM, &before));
    prl_child_close(&child);
}

TEST(first_process_in_sigwait_for_another_signal_ends)
{
    struct prl_error error = {0};
    struct prl_status status = {0};
    struct prl_disposition before = {0};
    struct prl_child child = start_first(body_sigwait, NULL);
    if (!first_process_available)
        return;
    wait_ready();
    wait_in_sigwait(&child, &before);
    CHECK_INT(prl_child_signal(&child, SIGHUP, &error), 1);
    CHECK_INT(end_of(&child, 0, &status), 0);
    CHECK_INT(status.signal, SIGHUP);
}

TEST(a_sight_of_nothing_is_unknown)
{
    struct prl_disposition sight = {.caught = true};
    prl_disposition_take(0, SIGTERM, &sight);
    CHECK(!sight.caught && !sight.defaults && !sight.busy && !sight.pending);
    CHECK_INT(sight.image, 0);
}

TEST(a_sight_tells_images_apart)
{
    bool busy = false;
    struct prl_disposition before, again, after;
    struct prl_child child = start(body_exec, &busy);
    wait_ready();
    prl_disposition_take(child.pid, SIGTERM, &before);
    prl_disposition_take(child.pid, SIGTERM, &again);
    say_once();
    wait_executed();
    prl_disposition_take(child.pid, SIGTERM, &after);
    CHECK(before.image == again.image && before.image != after.image && after.image != 0);
    CHECK(before.caught && after.defaults);
    prl_child_close(&child);
}
