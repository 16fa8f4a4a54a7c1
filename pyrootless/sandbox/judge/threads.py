"""Threads of a batch that have nothing else to do help with the tests of a submission.

What comes in: work on each of several things. What goes out: its results, in their order.
Must never: have more threads work than the batch has; wait for one that has not begun; begin
anything after a failure.

The helpers wait in the queue of the batch's own threads, behind every submission: they find a
thread when none is left for them to judge, and are called off when the work is done before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Work(Generic[R]):
    """A call that one thread makes, of a pool or any other; `future` is what it comes to.

    Executor.submit() raises where no further thread can be started, and has queued the call by
    then: its future is lost, and whether it will be made is not known.
    """

    def __init__(self, call: Callable[[], R]) -> None:
        self.future: Future[R] = Future()
        self._call = call
        self._taken = threading.Lock()

    def __call__(self) -> None:
        """Make the call, unless another thread does or did, or it was called off."""
        if not self._taken.acquire(blocking=False):
            return
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self._call())
        except BaseException as error:
            self.future.set_exception(error)

    def queue(self, pool: Executor) -> bool:
        """Have a thread of a pool make it; False: perhaps none will."""
        try:
            pool.submit(self)
        except RuntimeError:
            return False
        return True


class Hands:
    """The threads of one batch.

    Args:
        pool: They; None: there is the caller's alone.
        count: How many.
    """

    def __init__(self, pool: Executor | None = None, count: int = 1) -> None:
        self._pool = pool
        self._count = count

    def map(self, work: Callable[[T], R], things: Sequence[T]) -> list[R]:
        """Call work with each thing, in this thread and in those that are idle.

        Raises:
            BaseException: The first that work raised in this thread, else one of a helper's.
        """
        todo = deque(enumerate(things))
        done: dict[int, R] = {}

        def serve() -> None:
            while todo:
                try:
                    number, thing = todo.popleft()
                except IndexError:  # another hand was faster
                    return
                try:
                    done[number] = work(thing)
                except BaseException:
                    todo.clear()
                    raise

        helpers = self._call(serve, min(self._count, len(things)) - 1)
        try:
            serve()
        finally:
            begun = [helper for helper in helpers if not helper.cancel()]
            wait(begun)
        for helper in begun:
            helper.result()
        return [done[number] for number in range(len(things))]

    def _call(self, serve: Callable[[], None], count: int) -> list[Future[None]]:
        if self._pool is None:
            return []
        helpers = [Work(serve) for _ in range(count)]
        for helper in helpers:
            helper.queue(self._pool)  # False: the batch was interrupted, or there is no thread
        return [helper.future for helper in helpers]
