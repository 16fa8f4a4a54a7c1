/* sys_waits.c: the table of waits; see sys_waits.h.
 * In, out, never: as there.  Source: the system calls' own pages; futex(2) for its clocks. */
#include "base/sys_waits.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>

enum form {
    ENDLESS,
    READER,
    MS,       /* int milliseconds at `at`, negative: endless */
    TIMESPEC, /* pointer at `at`, NULL: endless; a duration */
    SLEEP,    /* clock_nanosleep: clock, flags, pointer */
    FUTEX,    /* futex: operation decides */
};

struct row {
    long number;
    enum form form;
    unsigned at;
};

/* pselect6 counts down a copy; its pointer stays valid while it waits.  rt_sigtimedwait is not
 * here: a signal it waits for may be an alarm's, which nothing outside can see. */
static const struct row rows[] = {
    {SYS_read, ENDLESS, 0},
    {SYS_readv, ENDLESS, 0},
    {SYS_wait4, ENDLESS, 0},
    {SYS_waitid, ENDLESS, 0},
    {SYS_recvfrom, ENDLESS, 0},
    {SYS_recvmsg, ENDLESS, 0},
    {SYS_accept, ENDLESS, 0},
    {SYS_accept4, ENDLESS, 0},
    {SYS_rt_sigsuspend, ENDLESS, 0},
    {SYS_write, READER, 0},
    {SYS_writev, READER, 0},
    {SYS_sendto, READER, 0},
    {SYS_sendmsg, READER, 0},
    {SYS_epoll_pwait, MS, 3},
    {SYS_ppoll, TIMESPEC, 2},
    {SYS_pselect6, TIMESPEC, 4},
    {SYS_nanosleep, TIMESPEC, 0},
    {SYS_clock_nanosleep, SLEEP, 0},
    {SYS_futex, FUTEX, 0},
#ifdef SYS_poll
    {SYS_poll, MS, 2},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, MS, 3},
#endif
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2, TIMESPEC, 3},
#endif
#ifdef SYS_pause
    {SYS_pause, ENDLESS, 0},
#endif
};

static struct prl_wait until(uint64_t address, int clock)
{
    if (address == 0)
        return (struct prl_wait){.kind = PRL_WAIT_ENDLESS};
    return (struct prl_wait){.kind = PRL_WAIT_TIMESPEC, .address = address, .clock = clock};
}

/* FUTEX_WAIT takes a duration, all others a point in time. */
static struct prl_wait futex(const uint64_t args[6])
{
    int operation = (int)args[1] & FUTEX_CMD_MASK;
    int clock = (int)args[1] & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    switch (operation) {
    case FUTEX_WAIT:
        return until(args[3], PRL_WAIT_RELATIVE);
    case FUTEX_LOCK_PI:
        return until(args[3], CLOCK_REALTIME);
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAIT_REQUEUE_PI:
        return until(args[3], clock);
    default:
        return (struct prl_wait){.kind = PRL_WAIT_NONE};
    }
}

struct prl_wait prl_sys_wait_of(long number, const uint64_t args[6])
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].number != number)
            continue;
        switch (rows[i].form) {
        case ENDLESS:
            return (struct prl_wait){.kind = PRL_WAIT_ENDLESS};
        case READER:
            return (struct prl_wait){.kind = PRL_WAIT_READER};
        case MS: {
            int64_t ms = (int)args[rows[i].at];
            return ms < 0 ? (struct prl_wait){.kind = PRL_WAIT_ENDLESS}
                          : (struct prl_wait){.kind = PRL_WAIT_MS, .ms = ms};
        }
        case TIMESPEC:
            return until(args[rows[i].at], PRL_WAIT_RELATIVE);
        case SLEEP:
            return until(args[2],
                         (int)args[1] & TIMER_ABSTIME ? (int)args[0] : PRL_WAIT_RELATIVE);
        case FUTEX:
            return futex(args);
        }
    }
    return (struct prl_wait){.kind = PRL_WAIT_NONE};
}

static const struct {
    long number;
    unsigned on;
} descriptors[] = {
    {SYS_read, PRL_WAITS_ON_FIRST},
    {SYS_readv, PRL_WAITS_ON_FIRST},
    {SYS_preadv2, PRL_WAITS_ON_FIRST},
    {SYS_write, PRL_WAITS_ON_FIRST},
    {SYS_writev, PRL_WAITS_ON_FIRST},
    {SYS_pwritev2, PRL_WAITS_ON_FIRST},
    {SYS_vmsplice, PRL_WAITS_ON_FIRST},
    {SYS_tee, PRL_WAITS_ON_FIRST | PRL_WAITS_ON_SECOND},
    {SYS_sendfile, PRL_WAITS_ON_FIRST | PRL_WAITS_ON_SECOND},
    {SYS_splice, PRL_WAITS_ON_MANY}, /* its third argument is not looked at */
    {SYS_ppoll, PRL_WAITS_ON_MANY},
    {SYS_pselect6, PRL_WAITS_ON_MANY},
    {SYS_epoll_pwait, PRL_WAITS_ON_MANY},
#ifdef SYS_epoll_pwait2
    {SYS_epoll_pwait2, PRL_WAITS_ON_MANY},
#endif
#ifdef SYS_poll
    {SYS_poll, PRL_WAITS_ON_MANY},
#endif
#ifdef SYS_select
    {SYS_select, PRL_WAITS_ON_MANY},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, PRL_WAITS_ON_MANY},
#endif
};

unsigned prl_sys_waits_on(long number)
{
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i].number == number)
            return descriptors[i].on;
    return 0;
}
