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
/* test_monitor_control.c: the clients of a monitor, and the records they exchange.
 * In: an ordinary child in the container's place, a socket pair.  Out: its end, what was said.
 * Never: a clock that decides. */
#include "check.h"

#include "container/monitor/wait.h"
#include "monitor_fixture.h"

#include "container/monitor/control.h"
#include "container/monitor/record.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct prl_control control;
static int starter; /* the end of the process that started it */

static void open_control(void)
{
    struct prl_error error;
    int pair[2];
    CHECK_INT(prl_control_open(&control, &error), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    starter = pair[0];
    prl_control_adopt(&control, pair[1], true);
}

static void say(enum prl_record_kind kind)
{
    const struct prl_record_head head = {.kind = (uint16_t)kind};
    CHECK_INT(prl_record_send(starter, &head, NULL), 0);
}

TEST(a_starter_that_hangs_up_takes_it_along)
{
    struct prl_status status = {0};
    struct prl_error error = {0};
    struct prl_child child = start(body_pause, NULL); /* before the pair: it must not hold it */
    open_control();
    say(PRL_RECORD_WAIT);
    close(starter);
    const struct prl_monitor_options options = {.control = &control};
    CHECK_INT(prl_monitor_run(&child, &options, &status, &error), 0);
    CHECK_INT(status.ended_by, PRL_ENDED_KILLED);
    prl_child_close(&child);
    prl_control_close(&control);
}

static void body_fills_terminal(void *arg)
{
    static char data[4096];
    int terminal = *(int *)arg;
    memset(data, 'x', sizeof data);
    for (int i = 0; i < 100; i++) /* far more than a terminal keeps */
        if (write(terminal, data, sizeof data) != (ssize_t)sizeof data)
            _exit(1);
}

TEST(output_goes_on_when_the_starter_has_left)
{
    struct prl_status status = {0};
    struct prl_error error = {0};
    int unlocked = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0);
    CHECK_INT(ioctl(master, TIOCSPTLCK, &unlocked), 0);
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(slave >= 0);
    struct prl_child child = start(body_fills_terminal, &slave);
    child.terminal_fd = master;
    open_control();
    say(PRL_RECORD_LEAVE);
    struct prl_monitor_options options = {.control = &control};
    for (int i = 0; i < PRL_RELAYS; i++)
        options.relays[i] = (struct prl_relay){.from = -1, .to = -1};
    options.relays[PRL_RELAY_STDOUT].from = fcntl(master, F_DUPFD_CLOEXEC, 3);
    options.relays[PRL_RELAY_STDOUT].outlet = &control.outlets[0];
    CHECK_INT(prl_monitor_run(&child, &options, &status, &error), 0);
    CHECK_INT(status.ended_by, PRL_ENDED_EXIT);
    CHECK_INT(status.exit_code, 0);
    prl_child_close(&child);
    CHECK_INT(fcntl(master, F_GETFD), -1);
    prl_control_close(&control);
    close(slave);
    close(starter);
}

/* Any bytes of any length: only what is a record passes, and nothing beyond them is read. */
TEST(noise_is_no_record)
{
    unsigned state = 1, passed = 0;
    for (int round = 0; round < 200000; round++) {
        state = state * 1103515245u + 12345u;
        size_t size = (state >> 16) % 64;
        struct prl_record_head *record = malloc(size ? size : 1); /* the sanitizer watches */
        for (size_t i = 0; i < size; i++) {
            state = state * 1103515245u + 12345u;
            ((unsigned char *)record)[i] = (unsigned char)(state >> 16) & (round & 1 ? 7 : 255);
        }
        if (size >= sizeof *record && round & 2)
            record->version = PRL_RECORD_VERSION;
        if (size >= sizeof *record && round & 4)
            record->len = (uint32_t)(size - sizeof *record);
        if (prl_record_check((const struct prl_record *)record, size) == 0) {
            passed++;
            CHECK_INT(record->version, PRL_RECORD_VERSION);
            CHECK_INT(record->len, size - sizeof *record);
        }
        free(record);
    }
    CHECK(passed > 100);
}

TEST(a_ring_keeps_the_last_pieces_and_says_what_is_gone)
{
    static char piece[1000], got[PRL_RECORD_BYTES];
    struct prl_ring ring = {0};
    struct prl_ring_place first = prl_ring_first(&ring), place;
    int stream;
    uint64_t written = 0, read = 0;
    for (int i = 0; i < 1000; i++) {
        memset(piece, 'a' + i % 26, sizeof piece);
        CHECK(prl_ring_add(&ring, 1 + i / 990, piece, sizeof piece));
        written += sizeof piece;
    }
    CHECK(ring.end - ring.begin <= PRL_RING_BYTES);
    place = prl_ring_replay(&ring);
    CHECK(ring.end - place.at <= PRL_RING_REPLAY_BYTES);
    CHECK(ring.end - place.at > PRL_RING_REPLAY_BYTES - 2000);
    uint64_t lost = prl_ring_catch_up(&ring, &first);
    CHECK_INT(prl_ring_catch_up(&ring, &first), 0);
    for (size_t n; (n = prl_ring_read(&ring, &first, got, sizeof got, &stream)) > 0; read += n)
        CHECK_INT(stream, read + lost < 990 * sizeof piece ? 1 : 2);
    CHECK_INT(lost + read, written);
    CHECK_INT(first.at, prl_ring_end(&ring).at);
    CHECK_INT(first.output, written);
    prl_ring_free(&ring);
}
