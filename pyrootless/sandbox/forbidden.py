"""Which forbidden call ended a program?

What comes in: the run that ended by SIGSYS. What goes out: the call's name.
Must never: let a call through that the filter refuses; cost a run that ends otherwise.

The kernel kills and tells nobody but the dead which call it was (SECCOMP_RET_KILL_PROCESS
leaves its siginfo to a core alone), and what could tell, a tracer or a listener, would be in
every start, and leave the killing to a process that may be late. So the run is repeated with
filters that kill for a part of these calls and refuse the others (EPERM), and the part is
halved until one call is left. Each of these boxes is as closed as the first one was. Of a
program that makes several such calls one of them is found.
Source: seccomp(2); kernel/seccomp.c, __seccomp_filter.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace

from pyrootless.sandbox.filter import killed_calls, part_filter
from pyrootless.sandbox.runs import Job, run_for_facts

ANOTHER = "one of another architecture"


def find_call(job: Job) -> str:
    """The call for which this run is ended, "" when it is not so again.

    The run takes place some eight times more, each time within its limits. A job with a network
    or a lent input is not repeated.
    """
    if job.network is not None or not isinstance(job.stdin, bytes):
        return ""
    names = killed_calls()
    if _is_killed(job, 0, 0):
        return ANOTHER
    low, high = 0, len(names)
    while high - low > 1:
        middle = (low + high) // 2
        if _is_killed(job, low, middle):
            high = middle
        else:
            low = middle
    return names[low] if _is_killed(job, low, high) else ""


def _is_killed(job: Job, low: int, high: int) -> bool:
    """Whether it ends by SIGSYS where calls from `low` up to `high` kill."""
    base = replace(job.base, notes=part_filter(job.root, low, high))
    facts, _ = run_for_facts(replace(job, base=base, warm=None, collect=()))
    status = facts["wait_status"]
    return status >= 0 and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS
