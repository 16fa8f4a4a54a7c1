// sources: csrc/base/**/*.c
/* test_sys_waits.c: which system calls wait, and by what.
 * In: numbers and arguments.  Out: kinds.  Never: a call made. */
#include "base/sys_waits.h"

#include "check.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

static struct prl_wait wait_of(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t args[6] = {a, b, c, d, 0, 0};
    return prl_sys_wait_of(number, args);
}

TEST(waits_without_an_end)
{
    CHECK_INT(wait_of(SYS_read, 0, 0x1000, 1, 0).kind, PRL_WAIT_ENDLESS);
    CHECK_INT(wait_of(SYS_wait4, 0, 0, 0, 0).kind, PRL_WAIT_ENDLESS);
    CHECK_INT(wait_of(SYS_epoll_pwait, 3, 0x1000, 1, 0xffffffff).kind, PRL_WAIT_ENDLESS);
    CHECK_INT(wait_of(SYS_ppoll, 0x1000, 1, 0, 0).kind, PRL_WAIT_ENDLESS);
    CHECK_INT(wait_of(SYS_futex, 0x1000, FUTEX_WAIT_PRIVATE, 0, 0).kind, PRL_WAIT_ENDLESS);
}

TEST(waits_for_a_reader)
{
    CHECK_INT(wait_of(SYS_write, 1, 0x1000, 1, 0).kind, PRL_WAIT_READER);
    CHECK_INT(wait_of(SYS_writev, 1, 0x1000, 1, 0).kind, PRL_WAIT_READER);
    CHECK_INT(wait_of(SYS_sendto, 3, 0x1000, 1, 0).kind, PRL_WAIT_READER);
    CHECK_INT(wait_of(SYS_sendmsg, 3, 0x1000, 0, 0).kind, PRL_WAIT_READER);
}

TEST(waits_with_a_time)
{
    struct prl_wait wait = wait_of(SYS_epoll_pwait, 3, 0x1000, 1, 250);
    CHECK_INT(wait.kind, PRL_WAIT_MS);
    CHECK_INT(wait.ms, 250);
    wait = wait_of(SYS_futex, 0x1000, FUTEX_WAIT_PRIVATE, 0, 0x2000);
    CHECK_INT(wait.kind, PRL_WAIT_TIMESPEC);
    CHECK_INT(wait.clock, PRL_WAIT_RELATIVE);
    CHECK(wait.address == 0x2000);
    wait = wait_of(SYS_futex, 0x1000, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, 0x2000);
    CHECK_INT(wait.clock, CLOCK_REALTIME);
    wait = wait_of(SYS_futex, 0x1000, FUTEX_WAIT_BITSET_PRIVATE, 0, 0x2000);
    CHECK_INT(wait.clock, CLOCK_MONOTONIC);
    wait = wait_of(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, 0x2000, 0);
    CHECK_INT(wait.clock, CLOCK_MONOTONIC);
    CHECK_INT(wait_of(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, 0x2000, 0).clock,
              PRL_WAIT_RELATIVE);
}

TEST(calls_that_are_no_wait)
{
    CHECK_INT(wait_of(SYS_pwrite64, 1, 0x1000, 1, 0).kind, PRL_WAIT_NONE);
    CHECK_INT(wait_of(SYS_rt_sigtimedwait, 0x1000, 0, 0, 8).kind, PRL_WAIT_NONE);
    CHECK_INT(wait_of(SYS_restart_syscall, 0, 0, 0, 0).kind, PRL_WAIT_NONE);
    CHECK_INT(wait_of(SYS_futex, 0x1000, FUTEX_WAKE, 1, 0).kind, PRL_WAIT_NONE);
    CHECK_INT(wait_of(-1, 0, 0, 0, 0).kind, PRL_WAIT_NONE);
}

TEST(calls_that_wait_for_descriptors)
{
    CHECK(prl_sys_waits_on(SYS_read) == PRL_WAITS_ON_FIRST);
    CHECK(prl_sys_waits_on(SYS_write) == PRL_WAITS_ON_FIRST);
    CHECK(prl_sys_waits_on(SYS_sendfile) == (PRL_WAITS_ON_FIRST | PRL_WAITS_ON_SECOND));
    CHECK(prl_sys_waits_on(SYS_ppoll) == PRL_WAITS_ON_MANY);
    CHECK(prl_sys_waits_on(SYS_epoll_pwait) == PRL_WAITS_ON_MANY);
    CHECK(prl_sys_waits_on(SYS_nanosleep) == 0);
    CHECK(prl_sys_waits_on(SYS_futex) == 0);
    CHECK(prl_sys_waits_on(SYS_wait4) == 0);
    CHECK(prl_sys_waits_on(-1) == 0);
}
