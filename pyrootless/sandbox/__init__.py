"""Programs nobody has read, run in boxes: limits, verdicts, measured facts.

    >>> from pyrootless.sandbox import run
    >>> run(["echo", "hello"]).verdict.name
    'OK'

What comes in: names. What goes out: the public names of the room.
Must never: decide anything.
"""

from __future__ import annotations

from pyrootless.sandbox.calls import Called, CallError, CallFailed, Function, call
from pyrootless.sandbox.files import File
from pyrootless.sandbox.limits import Limits
from pyrootless.sandbox.outcome import Enforced, Noise, Outcome
from pyrootless.sandbox.ready import ReadyBoxes
from pyrootless.sandbox.runs import run, run_async
from pyrootless.sandbox.session import Built, Sandbox
from pyrootless.sandbox.verdict import Verdict

__all__ = [
    "Built",
    "CallError",
    "CallFailed",
    "Called",
    "Enforced",
    "File",
    "Function",
    "Limits",
    "Noise",
    "Outcome",
    "ReadyBoxes",
    "Sandbox",
    "Verdict",
    "call",
    "run",
    "run_async",
]
