"""Whose turn it is, where several processes of pytest share the tests of a run (pytest-xdist).

In: a folder that they share, whether a test is marked `alone`.
Out: that one runs while no other does; all others run beside each other.
Never: a wait where one process has all tests.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """A child that outlives its test may have the descriptor, so it is unlocked by word."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


@contextmanager
def turn(folder: Path | None, *, alone: bool) -> Iterator[None]:
    """Wait for it, and have it.  folder None: nobody else has tests."""
    if folder is None:
        yield
        return
    with ExitStack() as stack:
        # Who waits to be alone stands in the door: nobody goes past.
        with _locked(folder / "door", fcntl.LOCK_EX):
            how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
            stack.enter_context(_locked(folder / "room", how))
        yield
