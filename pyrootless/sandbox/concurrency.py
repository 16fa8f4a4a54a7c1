"""Runs beside each other, and runs that want the machine for themselves.

What comes in: threads of one judge. What goes out: a turn, shared or alone.
Must never: let a quiet run wait for ever behind new ones; give a thread a turn that has one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

R = TypeVar("R")


class Quiet:
    """A lock with many readers; a waiting quiet run keeps new readers out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._waiting = 0
        self._alone = False

    @contextmanager
    def beside(self) -> Iterator[None]:
        """A run that others may run beside."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A run that has the machine for itself, as far as this judge is concerned."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._alone and not self._running)
                self._alone = True
            finally:
                self._waiting -= 1
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()

    def twice(self, work: Callable[[], R], *final: type[Exception], beside: bool = True) -> R:
        """What work returns; where it fails it is done once more, alone.

        What fails around a box (memory, descriptors, threads, the kernel) may be the doing of a
        program in another one.

        Args:
            final: After these it is not.
            beside: False: alone the first time too.

        Raises:
            Exception: It failed the second time, or finally.
        """
        try:
            with self.beside() if beside else self.alone():
                return work()
        except final:
            raise
        except Exception:  # whatever it is
            with self.alone():
                return work()
