"""Programs nobody has read, run in boxes: limits, verdicts, measured facts.

    >>> from pyrootless.sandbox import run
    >>> run(["echo", "hello"]).verdict.name
    'OK'

What comes in: names. What goes out: the public names of the room, each loaded when it is first
used: a program of one run needs a third of them.
Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.sandbox.calls.functions import Called as Called
    from pyrootless.sandbox.calls.functions import CallError as CallError
    from pyrootless.sandbox.calls.functions import CallFailed as CallFailed
    from pyrootless.sandbox.calls.functions import Function as Function
    from pyrootless.sandbox.calls.functions import call as call
    from pyrootless.sandbox.collect import Collected as Collected
    from pyrootless.sandbox.concurrency import Quiet as Quiet
    from pyrootless.sandbox.files import File as File
    from pyrootless.sandbox.files import FileLike as FileLike
    from pyrootless.sandbox.files import Row as Row
    from pyrootless.sandbox.files import file_rows as file_rows
    from pyrootless.sandbox.limits import Limits as Limits
    from pyrootless.sandbox.outcome import Enforced as Enforced
    from pyrootless.sandbox.outcome import Noise as Noise
    from pyrootless.sandbox.outcome import Outcome as Outcome
    from pyrootless.sandbox.runs import DEFAULT_LIMITS as DEFAULT_LIMITS
    from pyrootless.sandbox.runs import SHARED_MEMORY as SHARED_MEMORY
    from pyrootless.sandbox.runs import Job as Job
    from pyrootless.sandbox.runs import Side as Side
    from pyrootless.sandbox.runs import gather_for as gather_for
    from pyrootless.sandbox.runs import host_for as host_for
    from pyrootless.sandbox.runs import killed_for as killed_for
    from pyrootless.sandbox.runs import lend_stdin as lend_stdin
    from pyrootless.sandbox.runs import numbers_of as numbers_of
    from pyrootless.sandbox.runs import run as run
    from pyrootless.sandbox.runs import run_async as run_async
    from pyrootless.sandbox.runs import run_for_facts as run_for_facts
    from pyrootless.sandbox.runs import to_outcome as to_outcome
    from pyrootless.sandbox.session import Built as Built
    from pyrootless.sandbox.session import Sandbox as Sandbox
    from pyrootless.sandbox.verdict import Verdict as Verdict
    from pyrootless.sandbox.warm.interpreter import Warm as Warm
    from pyrootless.sandbox.warm.ready import ReadyBoxes as ReadyBoxes

_HOME = {
    "Built": "session",
    "CallError": "calls.functions",
    "CallFailed": "calls.functions",
    "Called": "calls.functions",
    "Collected": "collect",
    "DEFAULT_LIMITS": "runs",
    "Enforced": "outcome",
    "File": "files",
    "FileLike": "files",
    "Function": "calls.functions",
    "Job": "runs",
    "Limits": "limits",
    "Noise": "outcome",
    "Outcome": "outcome",
    "Quiet": "concurrency",
    "ReadyBoxes": "warm.ready",
    "Row": "files",
    "SHARED_MEMORY": "runs",
    "Sandbox": "session",
    "Side": "runs",
    "Verdict": "verdict",
    "Warm": "warm.interpreter",
    "call": "calls.functions",
    "file_rows": "files",
    "gather_for": "runs",
    "host_for": "runs",
    "killed_for": "runs",
    "lend_stdin": "runs",
    "numbers_of": "runs",
    "run": "runs",
    "run_async": "runs",
    "run_for_facts": "runs",
    "to_outcome": "runs",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
