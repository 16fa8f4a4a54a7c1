"""The warm boxes of `run`: kept by this process from one call to the next.

A call alone cannot be warm: somebody must hold the interpreter between two of them. Who wants
to say for how long makes `ReadyBoxes`, or a `Sandbox`.

What comes in: jobs that are to begin warm. What goes out: outcomes.
Must never: keep more kinds of boxes than a shelf does; let a forked copy of this process use
its parent's boxes, or end them; outlive the process.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import replace

from pyrootless.sandbox import Job, Outcome, to_outcome
from pyrootless.sandbox.warm.interpreter import Warm, warm_for
from pyrootless.sandbox.warm.kinds import Shelf

_shelves: dict[int, Shelf] = {}
"""This process's number → its shelf. A forked copy finds its parent's, and leaves it alone."""


def run_kept(job: Job, warm: Warm) -> Outcome:
    """Run a job warm.

    Raises:
        UsageError: It is no program for that interpreter, or cannot be warm.
        LaunchError, HostUnsupportedError: There is no warm box here.
    """
    found = warm_for(job.program, warm)
    if found is None:
        raise warm.refusal()
    job = replace(job, warm=found)
    return to_outcome(job, *_shelf().run_warm(job))


def _shelf() -> Shelf:
    """This process's; without a lock, which a fork could leave locked in the copy."""
    shelf = _shelves.get(os.getpid())
    if shelf is None:
        shelf = _shelves.setdefault(os.getpid(), Shelf())
        atexit.register(_close)  # twice does no harm
    return shelf


def _close() -> None:
    shelf = _shelves.get(os.getpid())
    if shelf is not None:
        shelf.close()
