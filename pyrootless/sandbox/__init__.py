"""Programs nobody has read, run in boxes: limits, verdicts, measured facts.

    >>> from pyrootless.sandbox import run
    >>> run(["echo", "hello"]).verdict.name
    'OK'

What comes in: names. What goes out: the public names of the room, each loaded when it is first
used: a program of one run needs a third of them.
Must never: decide anything.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyrootless.sandbox.calls import Called as Called
    from pyrootless.sandbox.calls import CallError as CallError
    from pyrootless.sandbox.calls import CallFailed as CallFailed
    from pyrootless.sandbox.calls import Function as Function
    from pyrootless.sandbox.calls import call as call
    from pyrootless.sandbox.files import File as File
    from pyrootless.sandbox.limits import Limits as Limits
    from pyrootless.sandbox.outcome import Enforced as Enforced
    from pyrootless.sandbox.outcome import Noise as Noise
    from pyrootless.sandbox.outcome import Outcome as Outcome
    from pyrootless.sandbox.ready import ReadyBoxes as ReadyBoxes
    from pyrootless.sandbox.runs import run as run
    from pyrootless.sandbox.runs import run_async as run_async
    from pyrootless.sandbox.session import Built as Built
    from pyrootless.sandbox.session import Sandbox as Sandbox
    from pyrootless.sandbox.verdict import Verdict as Verdict
    from pyrootless.sandbox.warm import Warm as Warm

_HOME = {
    "CallError": "calls",
    "CallFailed": "calls",
    "Called": "calls",
    "Function": "calls",
    "call": "calls",
    "File": "files",
    "Limits": "limits",
    "Enforced": "outcome",
    "Noise": "outcome",
    "Outcome": "outcome",
    "ReadyBoxes": "ready",
    "run": "runs",
    "run_async": "runs",
    "Built": "session",
    "Sandbox": "session",
    "Verdict": "verdict",
    "Warm": "warm",
}
"""Public name → module of this package that has it. PEP 562."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
