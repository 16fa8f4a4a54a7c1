"""What the sandbox's filter refuses by numbers in arguments, and what lies beside them.

In: the sandbox's profile, calls.  Out: verdicts from the emulator.  Bits above the lowest 32 of
an argument, which the kernel does not look at, change none.
"""

from __future__ import annotations

import errno
import functools

import pytest
from bpf_emulator import Call, Program

from pyrootless.seccomp import profiles
from pyrootless.seccomp.shared import REFUSALS, Refusal, rules_of

ALLOW, DONE = 0x7FFF0000, 0x50000
EINVAL, ENOMEM, ENOSYS, EOPNOTSUPP, EPERM = (
    DONE | number
    for number in (errno.EINVAL, errno.ENOMEM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
)
HIGH = 1 << 32
SCHED = {"setparam": 142, "setscheduler": 144, "setaffinity": 203, "setattr": 314}
MMAP, MSYNC, MADVISE, SETSOCKOPT, FCNTL, FSYNC, FDATASYNC = 9, 26, 28, 54, 72, 74, 75
SETPRIORITY, PRCTL, FADVISE, IOPRIO_SET, PREADV2, CACHESTAT = 141, 157, 221, 251, 327, 451
F_SETFD, F_SETLK, F_OFD_SETLK, F_GETLEASE, F_DUPFD_CLOEXEC, F_ADD_SEALS = (
    2,
    6,
    37,
    1025,
    1030,
    1033,
)
PR_SET_NAME, PR_SET_VMA = 15, 0x53564D41

VERDICTS = [
    *((number, (1,), EPERM) for number in SCHED.values()),
    *(
        (number, (pid,), ALLOW)
        for number in SCHED.values()
        for pid in (0, 2, 3, 2**31, 2**32 - 1)
    ),
    (SETPRIORITY, (0, 1), EPERM),
    (SETPRIORITY, (0, 0), ALLOW),
    (SETPRIORITY, (0, 2), ALLOW),
    *((SETPRIORITY, (which, 0), EPERM) for which in (1, 2, 3, 2**32 - 1)),
    (IOPRIO_SET, (1, 1), EPERM),
    (IOPRIO_SET, (1, 0), ALLOW),
    (IOPRIO_SET, (1, 2), ALLOW),
    *((IOPRIO_SET, (which, 0), EPERM) for which in (0, 2, 3)),
    *((FCNTL, (0, command), EINVAL) for command in (1024, 1026, 1039, 1040, 2**32 - 1)),
    (FCNTL, (0, 1031), EPERM),
    *((FCNTL, (0, command), ALLOW) for command in (0, F_SETFD, F_SETLK, F_OFD_SETLK, 1023)),
    *(
        (FCNTL, (0, command), ALLOW)
        for command in (F_GETLEASE, F_DUPFD_CLOEXEC, 1032, F_ADD_SEALS)
    ),
    *((PRCTL, (option,), EPERM) for option in (31, 32)),
    *((PRCTL, (option,), EINVAL) for option in (62, 67)),
    *((PRCTL, (option,), ENOSYS) for option in (128, PR_SET_VMA - 1, PR_SET_VMA + 1)),
    *(
        (PRCTL, (option,), ALLOW)
        for option in (1, PR_SET_NAME, 30, 33, 61, 63, 66, 68, PR_SET_VMA)
    ),
    *((MADVISE, (0, 4096, advice), EINVAL) for advice in (12, 21)),
    *((MADVISE, (0, 4096, advice), ALLOW) for advice in (0, 4, 8, 14, 20, 22)),
    (FADVISE, (3, 0, 0, 4), DONE),
    *((FADVISE, (3, 0, 0, advice), ALLOW) for advice in (0, 2, 3, 5)),
    *((SETSOCKOPT, (3, 1, option), DONE) for option in (7, 8)),
    *((SETSOCKOPT, (3, 1, option), EPERM) for option in (26, 50, 51, 52)),
    *((SETSOCKOPT, (3, 1, option), ALLOW) for option in (2, 6, 9, 16, 25, 27, 49, 53)),
    *((SETSOCKOPT, (3, 6, option), ALLOW) for option in (1, 7, 26)),
    (MMAP, (0, 4096, 3, 0x40022), ENOMEM),
    (MMAP, (0, 4096, 3, 0x22), ALLOW),
    (MSYNC, (0, 4096, 4), DONE),
    (MSYNC, (0, 4096, 1), ALLOW),
    (PREADV2, (3, 0, 1, 0, 0, 8), EOPNOTSUPP),
    (PREADV2, (3, 0, 1, 0, 0, 0), ALLOW),
    *((number, (), ENOSYS) for number in (206, 207, 208, 209, 210, 333, CACHESTAT)),
    *((number, (3,), DONE) for number in (FSYNC, FDATASYNC, 162, 277, 306)),
]


@functools.cache
def program(network: bool) -> Program:
    profile = profiles.strict_profile(network)
    section = profiles.resolve_profile(profile, capabilities=frozenset(), arch="x86_64")
    return Program(profiles.compile_section(section))


@pytest.mark.parametrize("network", [False, True])
@pytest.mark.parametrize(("number", "args", "verdict"), VERDICTS)
def test_verdicts(number: int, args: tuple[int, ...], verdict: int, network: bool) -> None:
    high = tuple(arg | HIGH for arg in args)
    answers = {program(network).run(Call(number, each)) for each in (args, high)}
    assert answers == {verdict}


@pytest.mark.parametrize("span", [(0, 0), (1, 1), (5, 9), (2**31, 2**32 - 1), (0, 2**32 - 1)])
def test_a_span_is_cut_out_exactly(span: tuple[int, int]) -> None:
    rules = rules_of("fcntl", [Refusal(("fcntl",), {1: span}, errno.EPERM)])
    section = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    section["architectures"] = ["SCMP_ARCH_X86_64"]
    filtered = Program(profiles.compile_section(section))
    low, high = span
    near = {low - 1, low, high, high + 1, 0, 2**32 - 1}
    for value in near - {-1, 2**32}:
        verdict = EPERM if low <= value <= high else ALLOW
        assert filtered.run(Call(FCNTL, (0, value))) == verdict


def test_every_refusal_is_tried() -> None:
    numbers = {"sched_" + name: number for name, number in SCHED.items()}
    numbers |= {"setpriority": SETPRIORITY, "ioprio_set": IOPRIO_SET, "fcntl": FCNTL}
    numbers |= {"prctl": PRCTL, "madvise": MADVISE, "fadvise64": FADVISE}
    numbers |= {"setsockopt": SETSOCKOPT}
    for refusal in REFUSALS:
        for name in refusal.names:
            tried = [args for number, args, _ in VERDICTS if number == numbers[name]]
            ends = [
                args
                for args in tried
                if all(low <= args[at] <= high for at, (low, high) in refusal.spans.items())
            ]
            assert ends, refusal
