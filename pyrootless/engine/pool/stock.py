"""A stock of things that take long to make and are used once each: prepared containers.

Lasting threads (builders.py) make them and take them apart, beside the callers.

What comes in: how one is made. What goes out: one that is alive, and used by nobody else.
Must never: give the same one twice; keep one when nobody holds the stock any more.
"""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from pyrootless.engine.pool import builders
from pyrootless.errors import PyrootlessError, UsageError


class Prepared(Protocol):
    """What a stock keeps."""

    @property
    def alive(self) -> bool:
        """It waits still: nobody killed it."""

    def close(self) -> None:
        """End it and remove what it had."""


T = TypeVar("T", bound=Prepared)


class Stock(Generic[T]):
    """Prepared things, as many as `size` waiting. Any number of threads may use it at once.

    Attributes:
        size: How many wait at most.
    """

    def __init__(self, make: Callable[[], T], size: int | None) -> None:
        """Order the first ones.

        Args:
            make: Makes one; called by lasting threads. Must not hold the stock or its owner.
            size: How many are kept ready; None: two for each processor.

        Raises:
            UsageError: size is no number of things.
        """
        if size is not None and size < 1:
            raise UsageError("size is a number of boxes, at least 1")
        self.size = size or 2 * len(os.sched_getaffinity(0))
        self._make = make
        self._owner = os.getpid()
        self._changed = threading.Condition()
        self._ready: deque[T] = deque()
        self._building = self._ending = 0
        self._error: BaseException | None = None
        self._closed = False
        self._finish = weakref.finalize(self, _close_all, self._ready, self._owner)
        self.refill()

    def take(self) -> T:
        """One that waits, or the next one to be ready.

        Raises:
            PyrootlessError: It could not be made.
            UsageError: The stock is closed, or another process's.
        """
        if self._owner != os.getpid():
            raise UsageError(
                "a pool belongs to the process that made it: make one after fork()"
            )
        while True:
            found = self._next()
            if found.alive:
                return found
            found.close()

    def give_back(self, unused: T) -> None:
        """What was taken and not used is the next one to be taken."""
        self._ready.appendleft(unused)

    def refill(self) -> None:
        """Have the next made."""
        with self._changed:
            self._order()

    def replace(self, used: T) -> None:
        """After the answer: take it apart, make another; a lasting thread does both."""
        with self._changed:
            self._ending += 1
            try:
                builders.submit(partial(self._end, used))
            except RuntimeError:  # there is no thread: this one
                self._ending -= 1
                used.close()
            self._order()

    def close(self) -> None:
        """End those that wait. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            while self._building or self._ending:
                self._changed.wait()
        self._finish()

    def _next(self) -> T:
        try:
            return self._ready.popleft()
        except IndexError:
            pass
        with self._changed:
            while not self._ready:
                if self._closed:
                    raise UsageError("the pool is closed")
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                self._order()
                if self._error is None:
                    self._changed.wait()
            return self._ready.popleft()

    def _end(self, used: T) -> None:
        try:
            used.close()
        finally:
            with self._changed:
                self._ending -= 1
                self._changed.notify_all()

    def _order(self) -> None:
        """Have as many made as are missing; the lock is held."""
        if self._closed:
            return
        missing = self.size - len(self._ready) - self._building
        weak = weakref.ref(self)
        for _ in range(missing):
            self._building += 1
            try:
                builders.submit(partial(_build, weak))
            except RuntimeError as error:  # no thread can be started
                self._building -= 1
                self._error = error
                return

    def _prepare(self) -> None:
        """Make one; called by a lasting thread."""
        try:
            if not self._closed:
                self._offer(self._make())
        except Exception as error:  # the caller's, who waits for it
            self._error = error
        finally:
            with self._changed:
                self._building -= 1
                self._changed.notify_all()

    def _offer(self, made: T) -> None:
        with self._changed:
            if not self._closed:
                self._ready.append(made)
                self._changed.notify_all()
                return
        made.close()


def _build(stock: weakref.ref[Stock[T]]) -> None:
    alive = stock()
    if alive is not None:
        alive._prepare()


def _close_all(ready: deque[T], owner: int) -> None:
    while ready and owner == os.getpid():  # in a forked copy they are its parent's
        try:
            ready.popleft().close()
        except PyrootlessError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=1)
