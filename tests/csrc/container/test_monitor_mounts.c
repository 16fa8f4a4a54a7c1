// sources: csrc/base/process/pass.c csrc/container/monitor/mounts.c
/* test_monitor_mounts.c: a descriptor left to the kernel's collector.
 * In: one end of a pipe in the place of a mount namespace.  Out: its other end sees the end of
 * file, which the last close alone brings. */
#include "container/monitor/mounts.h"

#include "base/own.h"
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { AT_MOST_MS = 30000 };

/* 0: the last holder has let go. */
static int wait_for_end(int reading)
{
    char byte;
    struct pollfd end = {reading, 0, 0};
    return poll(&end, 1, AT_MOST_MS) == 1 ? (int)read(reading, &byte, 1) : -1;
}

TEST(it_is_closed_by_somebody_else)
{
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    prl_mounts_leave(&ends[1], 1);
    CHECK_INT(ends[1], -1);
    CHECK_INT(wait_for_end(ends[0]), 0);
}

TEST(two_are_closed_together_and_what_is_none_is_passed_by)
{
    int first[2], second[2];
    CHECK_INT(pipe2(first, O_CLOEXEC), 0);
    CHECK_INT(pipe2(second, O_CLOEXEC), 0);
    int both[PRL_MOUNTS_LEFT] = {first[1], second[1]};
    prl_mounts_leave(both, PRL_MOUNTS_LEFT);
    CHECK_INT(both[0], -1);
    CHECK_INT(both[1], -1);
    CHECK_INT(wait_for_end(first[0]), 0);
    CHECK_INT(wait_for_end(second[0]), 0);
    CHECK_INT(pipe2(first, O_CLOEXEC), 0);
    int one[PRL_MOUNTS_LEFT] = {-1, first[1]};
    prl_mounts_leave(one, PRL_MOUNTS_LEFT);
    CHECK_INT(wait_for_end(first[0]), 0);
}

/* Three times as many as may be open or in flight leave nothing behind.  The kernel collects
 * each in its own time. */
TEST(again_and_again)
{
    enum { FEW = 64 };
    struct rlimit few = {FEW, FEW};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 3 * FEW; i++) {
        int ends[2];
        CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
        prl_mounts_leave(&ends[1], 1);
        CHECK_INT(wait_for_end(ends[0]), 0);
        close(ends[0]);
    }
}

TEST(without_a_socket_it_is_closed_here)
{
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    struct rlimit before, none;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)ends[1] + 1, before.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    prl_mounts_leave(&ends[1], 1);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(ends[1], -1);
    struct pollfd end = {ends[0], 0, 0};
    CHECK_INT(poll(&end, 1, 0), 1);
    CHECK_INT(end.revents, POLLHUP);
}

TEST(what_tells_no_namespace_is_waited_for)
{
    struct prl_child child = {.pid = 1, .pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC)};
    prl_mounts_hold(&child);
    CHECK(!child.left);
    prl_close_p(&child.pidfd);
    prl_mounts_hold(&child);
    CHECK(!child.left);
}
