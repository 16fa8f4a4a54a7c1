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
/* test_monitor_relay.c: the streams that the monitor carries.
 * No clock decides: every step waits for a byte or an end. */
#include "check.h"

#include "container/monitor/wait.h"
#include "monitor_fixture.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { MIB = 1 << 20, ROUNDS = 3 };

static bool same_mask(const sigset_t *a, const sigset_t *b)
{
    for (int n = 1; n <= SIGRTMAX; n++)
        if (sigismember(a, n) != sigismember(b, n))
            return false;
    return true;
}

/* --- relays --- */

static int pipes[3][2]; /* the container's streams */
static int lent[3];     /* the user's side: in, out, err */

static void pipes_open(void)
{
    for (int i = 0; i < 3; i++)
        (void)!pipe2(pipes[i], O_CLOEXEC);
}

/* Called in the child: its side becomes 0, 1, 2. */
static void pipes_take(void)
{
    dup2(pipes[0][0], 0);
    dup2(pipes[1][1], 1);
    dup2(pipes[2][1], 2);
    for (int i = 0; i < 3; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
}

static struct prl_monitor_options pipes_options(void)
{
    struct prl_monitor_options options = {0};
    options.relays[PRL_RELAY_STDIN] = (struct prl_relay){.from = lent[0], .to = pipes[0][1]};
    options.relays[PRL_RELAY_STDOUT] = (struct prl_relay){.from = pipes[1][0], .to = lent[1]};
    options.relays[PRL_RELAY_STDERR] = (struct prl_relay){.from = pipes[2][0], .to = lent[2]};
    return options;
}

static bool await_first; /* the child says ready before the monitor starts */

static int run_relayed(void (*body)(void *), void *arg, struct prl_status *status)
{
    struct prl_error error = {0};
    pipes_open();
    struct prl_child child = start(body, arg);
    close(pipes[0][0]);
    close(pipes[1][1]);
    close(pipes[2][1]);
    if (await_first)
        wait_ready();
    struct prl_monitor_options options = pipes_options();
    int r = prl_monitor_run(&child, &options, status, &error);
    prl_child_close(&child);
    return r;
}

static int open_fds(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int filled_file(size_t len)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    uint32_t *data =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < len / 4; i++)
        data[i] = (uint32_t)(i * 2654435761u);
    (void)!write(fd, data, len);
    munmap(data, len);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static bool same_content(int a, int b, size_t len)
{
    void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, a, 0);
    void *q = mmap(NULL, len, PROT_READ, MAP_SHARED, b, 0);
    bool same = p != MAP_FAILED && q != MAP_FAILED && lseek(a, 0, SEEK_END) == (off_t)len &&
                lseek(b, 0, SEEK_END) == (off_t)len && memcmp(p, q, len) == 0;
    munmap(p, len);
    munmap(q, len);
    return same;
}

static void copy(int from, int to, size_t step)
{
    static char buffer[65536];
    ssize_t n;
    while ((n = read(from, buffer, step)) > 0)
        for (ssize_t done = 0; done < n;) {
            ssize_t m = write(to, buffer + done, (size_t)(n - done));
            if (m < 0)
                _exit(1);
            done += m;
        }
}

static void body_cat(void *arg)
{
    (void)arg;
    pipes_take();
    copy(0, 1, 65536);
    (void)!write(2, "end\n", 4);
}

TEST(relays_carry_every_byte_in_order)
{
    struct prl_status status = {0};
    int before = open_fds();
    lent[0] = filled_file(5 * MIB + 4);
    lent[1] = memfd_create("out", MFD_CLOEXEC);
    lent[2] = memfd_create("err", MFD_CLOEXEC);
    CHECK_INT(run_relayed(body_cat, NULL, &status), 0);
    CHECK_INT(status.exit_code, 0);
    CHECK(same_content(lent[0], lent[1], 5 * MIB + 4));
    char text[8] = "";
    CHECK_INT(pread(lent[2], text, sizeof text, 0), 4);
    CHECK_STR(text, "end\n");
    for (int i = 0; i < 3; i++)
        close(lent[i]);
    CHECK_INT(open_fds(), before);
}

/* A reader that takes 1000 bytes at a time while the container is long gone. */
TEST(slow_reader_gets_everything)
{
    for (int sockets = 0; sockets < 2; sockets++) {
        struct prl_status status = {0};
        int out[2], copied = memfd_create("copied", MFD_CLOEXEC);
        CHECK_INT(sockets ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out)
                          : pipe2(out, O_CLOEXEC),
                  0);
        fflush(stdout);
        pid_t reader = fork();
        if (reader == 0) {
            close(out[1]);
            copy(out[0], copied, 1000);
            _exit(0);
        }
        close(out[0]);
        lent[0] = filled_file(MIB);
        lent[1] = out[1];
        lent[2] = open("/dev/null", O_WRONLY | O_CLOEXEC);
        int flags = fcntl(lent[1], F_GETFL);
        CHECK_INT(run_relayed(body_cat, NULL, &status), 0);
        CHECK_INT(fcntl(lent[1], F_GETFL), flags); /* the user's descriptor is as it was */
        close(out[1]);
        waitpid(reader, NULL, 0);
        CHECK(same_content(lent[0], copied, MIB));
        close(lent[0]);
        close(lent[2]);
        close(copied);
    }
}

static void body_count_input(void *arg)
{
    (void)arg;
    char buffer[64];
    ssize_t n, total = 0;
    pipes_take();
    while ((n = read(0, buffer, sizeof buffer)) > 0)
        total += n;
    _exit((int)total);
}

TEST(end_of_input_closes_the_container_side_only)
{
    struct prl_status status = {0};
    int in[2];
    CHECK_INT(pipe2(in, O_CLOEXEC), 0);
    CHECK_INT(write(in[1], "hello", 5), 5);
    close(in[1]);
    lent[0] = in[0];
    lent[1] = lent[2] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK_INT(run_relayed(body_count_input, NULL, &status), 0);
    CHECK_INT(status.exit_code, 5);
    CHECK(fcntl(lent[0], F_GETFD) >= 0);
    close(lent[0]);
    close(lent[1]);
}

static void body_endless(void *arg)
{
    (void)arg;
    signal(SIGPIPE, SIG_DFL);
    pipes_take();
    for (;;)
        (void)!write(1, "yes\n", 4);
}

TEST(broken_output_ends_the_program_as_outside)
{
    struct prl_status status = {0};
    int out[2];
    CHECK_INT(pipe2(out, O_CLOEXEC), 0);
    close(out[0]);
    lent[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    lent[1] = out[1];
    lent[2] = memfd_create("err", MFD_CLOEXEC);
    CHECK_INT(run_relayed(body_endless, NULL, &status), 0);
    CHECK_INT(status.signal, SIGPIPE);
    for (int i = 0; i < 3; i++)
        close(lent[i]);
}

static void body_ready_endless(void *arg)
{
    signal(SIGPIPE, SIG_DFL);
    pipes_take();
    (void)!write(1, "first\n", 6);
    say_ready();
    body_endless(arg);
}

/* The container's output is there before the monitor looks: it writes to the broken pipe. */
TEST(broken_output_leaves_no_signal_behind)
{
    for (int sockets = 0; sockets < 2; sockets++) {
        struct prl_status status = {0};
        sigset_t before, after, pending;
        struct sigaction action;
        int out[2];
        CHECK_INT(sockets ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out)
                          : pipe2(out, O_CLOEXEC),
                  0);
        close(out[0]);
        pthread_sigmask(SIG_SETMASK, NULL, &before);
        lent[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        lent[1] = out[1];
        lent[2] = memfd_create("err", MFD_CLOEXEC);
        await_first = true;
        int r = run_relayed(body_ready_endless, NULL, &status);
        await_first = false;
        CHECK_INT(r, 0);
        CHECK_INT(status.signal, SIGPIPE);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        CHECK(same_mask(&before, &after));
        sigpending(&pending);
        CHECK_INT(sigismember(&pending, SIGPIPE), 0);
        sigaction(SIGPIPE, NULL, &action);
        CHECK(action.sa_handler == SIG_DFL);
        for (int i = 0; i < 3; i++)
            close(lent[i]);
    }
}

static void body_writes_and_goes(void *arg)
{
    static char data[60000];
    memset(data, 'x', sizeof data);
    pipes_take();
    if (arg && fork() == 0) { /* holds stdout until the test lets it go */
        char byte;
        close(((int *)arg)[1]);
        (void)!read(((int *)arg)[0], &byte, 1);
        _exit(0);
    }
    (void)!write(1, data, sizeof data);
}

TEST(output_is_drained_though_somebody_holds_the_stream)
{
    struct prl_status status = {0};
    int hold[2];
    CHECK_INT(pipe2(hold, O_CLOEXEC), 0);
    lent[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    lent[1] = memfd_create("out", MFD_CLOEXEC);
    lent[2] = memfd_create("err", MFD_CLOEXEC);
    for (int round = 0; round < ROUNDS; round++)
        CHECK_INT(run_relayed(body_writes_and_goes, hold, &status), 0);
    CHECK_INT(lseek(lent[1], 0, SEEK_CUR), 60000 * ROUNDS);
    close(hold[1]);
    close(hold[0]);
    for (int i = 0; i < 3; i++)
        close(lent[i]);
}

static void body_closes_input(void *arg)
{
    pipes_take();
    close(0);
    (void)!write(*(int *)arg, "c", 1); /* now the tester may write */
    (void)!write(1, "done", 4);
}

TEST(input_nobody_reads_is_no_error)
{
    struct prl_status status = {0};
    int closed[2], in[2];
    CHECK_INT(pipe2(closed, O_CLOEXEC), 0);
    CHECK_INT(pipe2(in, O_CLOEXEC), 0);
    CHECK_INT(write(in[1], "late", 4), 4);
    lent[0] = in[0];
    lent[1] = memfd_create("out", MFD_CLOEXEC);
    lent[2] = lent[1];
    CHECK_INT(run_relayed(body_closes_input, &closed[1], &status), 0);
    CHECK_INT(status.exit_code, 0);
    CHECK_INT(lseek(lent[1], 0, SEEK_CUR), 4);
    for (int i = 0; i < 2; i++) {
        close(lent[i]);
        close(closed[i]);
    }
    close(in[1]);
}
