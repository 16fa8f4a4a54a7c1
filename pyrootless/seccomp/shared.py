"""Calls of a box that take from others, refused by the numbers in their arguments.

What comes in: a checked profile. What goes out: one in which the calls of `REFUSALS` are
refused where their arguments lie in a refusal, and allowed everywhere else.
Must never: compare more of an argument than the kernel looks at: the low 32 bits of each.

What each refusal protects: SECURITY.md, "Shared resources".
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyrootless.seccomp.changes import replace_rules

_WORD_MAX = 0xFFFFFFFF
_Span = tuple[int, int]
_SOL_SOCKET = 1
_PR_SET_VMA = 0x53564D41
_INIT = (1, 1)  # the process id of the box's first process


@dataclass(frozen=True, slots=True)
class Refusal:
    """Calls with these arguments fail.

    Attributes:
        names: Calls.
        spans: Index of an argument → first and last value that is refused; all must hold.
        number: What the program is told, of errno.h; 0: that it was done.
    """

    names: tuple[str, ...]
    spans: Mapping[int, _Span]
    number: int


_SCHEDULING = ("sched_setscheduler", "sched_setparam", "sched_setattr", "sched_setaffinity")

REFUSALS = (
    # Of the first process, which reports how the program ended: it has the same user.
    Refusal(_SCHEDULING, {0: _INIT}, errno.EPERM),
    Refusal(("setpriority",), {0: (0, 0), 1: _INIT}, errno.EPERM),  # PRIO_PROCESS
    Refusal(("setpriority",), {0: (1, _WORD_MAX)}, errno.EPERM),  # groups, users: it is in them
    Refusal(("ioprio_set",), {0: (1, 1), 1: _INIT}, errno.EPERM),  # IOPRIO_WHO_PROCESS
    Refusal(("ioprio_set",), {0: (0, 0)}, errno.EPERM),
    Refusal(("ioprio_set",), {0: (2, _WORD_MAX)}, errno.EPERM),
    # Leases and F_NOTIFY (1024, 1026) show who opens files that boxes share read-only, as
    # directory delegations (1039, 1040) and whatever comes after them may.  F_SETPIPE_SZ (1031)
    # takes pages of which a user has a fixed number.
    Refusal(("fcntl",), {1: (1024, 1024)}, errno.EINVAL),
    Refusal(("fcntl",), {1: (1026, 1026)}, errno.EINVAL),
    Refusal(("fcntl",), {1: (1031, 1031)}, errno.EPERM),
    Refusal(("fcntl",), {1: (1039, _WORD_MAX)}, errno.EINVAL),
    # PR_TASK_PERF_EVENTS_DISABLE and _ENABLE: the clock that bills the program.
    Refusal(("prctl",), {0: (31, 32)}, errno.EPERM),
    # PR_SCHED_CORE: a cookie empties the other thread of each processor it runs on.
    Refusal(("prctl",), {0: (62, 62)}, errno.EINVAL),
    # What no kernel has yet, up to PR_SET_VMA and from there on.
    Refusal(("prctl",), {0: (128, _PR_SET_VMA - 1)}, errno.ENOSYS),
    Refusal(("prctl",), {0: (_PR_SET_VMA + 1, _WORD_MAX)}, errno.ENOSYS),
    # PR_SET_MEMORY_MERGE, MADV_MERGEABLE: who has the same page?  MADV_PAGEOUT takes pages of
    # files away from whoever else uses them.
    Refusal(("prctl",), {0: (67, 67)}, errno.EINVAL),
    Refusal(("madvise",), {2: (12, 12)}, errno.EINVAL),
    Refusal(("madvise",), {2: (21, 21)}, errno.EINVAL),
    # POSIX_FADV_DONTNEED: the same, of the page cache.
    Refusal(("fadvise64",), {3: (4, 4)}, 0),
    # SO_SNDBUF, SO_RCVBUF: memory that no watchdog sees.
    Refusal(("setsockopt",), {1: (_SOL_SOCKET, _SOL_SOCKET), 2: (7, 8)}, 0),
    # SO_ATTACH_FILTER, _BPF, _REUSEPORT_CBPF, _REUSEPORT_EBPF: the machine has room for so many
    # compiled filters, and without room no sandbox of any user starts.
    Refusal(("setsockopt",), {1: (_SOL_SOCKET, _SOL_SOCKET), 2: (26, 26)}, errno.EPERM),
    Refusal(("setsockopt",), {1: (_SOL_SOCKET, _SOL_SOCKET), 2: (50, 52)}, errno.EPERM),
)


def refuse_shared(profile: dict[str, Any]) -> dict[str, Any]:
    """The profile in which the calls of `REFUSALS` have their rules alone."""
    names = dict.fromkeys(name for refusal in REFUSALS for name in refusal.names)
    rules = [rule for name in names for rule in rules_of(name, REFUSALS)]
    return replace_rules(profile, rules)


def rules_of(name: str, refusals: Sequence[Refusal]) -> list[dict[str, Any]]:
    """Rules for every value that the arguments of one call can have."""
    mine = [refusal for refusal in refusals if name in refusal.names]
    indices = sorted({index for refusal in mine for index in refusal.spans})
    return list(_split(name, mine, indices, []))


def _split(
    name: str, alive: list[Refusal], indices: list[int], args: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Rules for the values of the arguments that are left; args: conditions on the others."""
    if not indices:
        yield {"names": [name], "args": args} | _verdict(alive)
        return
    index, *rest = indices
    for low, high in _segments([r.spans[index] for r in alive if index in r.spans]):
        inside = [r for r in alive if _covers(r.spans.get(index), low)]
        for mask, value in _prefixes(low, high):
            condition = {"index": index, "op": "SCMP_CMP_MASKED_EQ", "value": mask}
            more = [condition | {"valueTwo": value}] if mask else []
            yield from _split(name, inside, rest, [*args, *more])


def _verdict(alive: list[Refusal]) -> dict[str, Any]:
    if not alive:
        return {"action": "SCMP_ACT_ALLOW"}
    return {"action": "SCMP_ACT_ERRNO", "errnoRet": alive[0].number}


def _covers(span: _Span | None, value: int) -> bool:
    return span is None or span[0] <= value <= span[1]


def _segments(spans: list[_Span]) -> list[_Span]:
    """All words, cut where a span begins or ends."""
    starts = sorted({0, *(low for low, _ in spans), *(high + 1 for _, high in spans)})
    ends = [*(start - 1 for start in starts[1:]), _WORD_MAX]
    return [(low, high) for low, high in zip(starts, ends, strict=True) if low <= high]


def _prefixes(low: int, high: int) -> Iterator[_Span]:
    """The words from low to high as masks of leading ones and what they leave."""
    while low <= high:
        size = low & -low or _WORD_MAX + 1
        while low + size - 1 > high:
            size >>= 1
        yield _WORD_MAX + 1 - size, low
        low += size
