"""Ready boxes of several kinds, for whoever runs many programs in few kinds of boxes: a judge.

A kind is what a box is made of: image, working directory, and the limits that hold it from its
beginning. The first run of a kind is a direct one: what comes once would wait for nothing;
a warm one is not: a program could tell them apart.

What comes in: jobs of any kind. What goes out: facts about each run, as `runs.run_for_facts`.
Must never: run a job in a box of another kind; keep a box beyond `close`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from pyrootless.closing import Closing
from pyrootless.engine.pool import Stock, most_threads
from pyrootless.errors import HostUnsupportedError, UsageError
from pyrootless.sandbox import Collected, Job, Limits, run_for_facts
from pyrootless.sandbox.warm.interpreter import Warm, Zygote
from pyrootless.sandbox.warm.ready import (
    FEWEST_FILES,
    OF_A_RUN,
    PLACE,
    ReadyBox,
    make_ready,
    run_in,
)

_MOST_KINDS = 8
"""With boxes of their own; others are made when they are needed."""

_OF_A_BOX = tuple(
    limit.name for limit in fields(Limits) if limit.init and limit.name not in OF_A_RUN
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What boxes have in common."""

    lowers: str
    binds: str
    notes: tuple[tuple[str, str], ...]
    cwd: str
    limits: tuple[object, ...]
    exact: bool
    rungs: str
    warm: Warm | None
    env: tuple[str, ...]


class Shelf(Closing):
    """Stocks of ready boxes, one a kind. Any number of threads may use it at once.

    Attributes:
        cold_because: Why no program can begin warm here; "": nothing has shown that.
    """

    def __init__(self, size: int | None = None) -> None:
        """Nothing is made yet.

        Args:
            size: Boxes of each kind that wait: as many as runs take place at once; None: as
                threads prepare boxes, for who does not know that.
        """
        self._size = size or most_threads()
        self._lock = threading.Lock()
        self._stocks: dict[_Kind, Stock[ReadyBox] | None] = {}
        self._closed = False
        self.cold_because = ""

    def run_for_facts(self, job: Job) -> tuple[dict[str, Any], Collected]:
        """One run, in a box that waited for it where there is one; warm where that can be."""
        if self.cold_because:
            job = replace(job, warm=None)
        stock = self._stock_of(job)
        if stock is None:
            return run_for_facts(job)
        try:
            return run_in(stock, job, lambda: job.base)
        except HostUnsupportedError as error:
            if job.warm is None:
                raise
            self.cold_because = str(error)
            return self.run_for_facts(job)

    def run_warm(self, job: Job) -> tuple[dict[str, Any], Collected]:
        """One run that begins warm, or none.

        Raises:
            UsageError: Its box could not wait.
            LaunchError, HostUnsupportedError: There is no warm box here.
        """
        stock = self._stock_of(job)
        if stock is None:
            raise UsageError(
                f"a warm run has no allow_hosts and open_files of {FEWEST_FILES} or more",
                remedy="leave `warm` out: its verdict is the same",
            )
        return run_in(stock, job, lambda: job.base)

    def close(self) -> None:
        """End the boxes that wait."""
        with self._lock:
            self._closed = True
            stocks = [stock for stock in self._stocks.values() if stock is not None]
            self._stocks.clear()
        for stock in stocks:
            stock.close()

    def _stock_of(self, job: Job) -> Stock[ReadyBox] | None:
        """None: a direct run."""
        return self._stock_for(job) if _may_wait(job) else None

    def _stock_for(self, job: Job) -> Stock[ReadyBox] | None:
        """None: no box of its kind waits, or none yet."""
        kind = _kind_of(job)
        with self._lock:
            if self._closed or not self._has_room(kind):
                return None
            if kind not in self._stocks and job.warm is None:
                self._stocks[kind] = None
                return None
            stock = self._stocks.pop(kind, None) or self._make(job)
            self._stocks[kind] = stock  # the last one: it was used last
            return stock

    def _has_room(self, kind: _Kind) -> bool:
        """A kind of warm boxes takes the place of the one that was used longest ago.

        Nobody holds that one's stock then but runs that take place: its boxes end after them.
        """
        if kind in self._stocks or len(self._stocks) < _MOST_KINDS:
            return True
        if kind.warm is None:
            return False
        del self._stocks[next(iter(self._stocks))]
        return True

    def _make(self, job: Job) -> Stock[ReadyBox]:
        env = job.program.env
        zygote = Zygote(job.warm, env, job.limits, job.root) if job.warm else None
        return Stock(partial(make_ready, _place(job), zygote), self._size)


def _kind_of(job: Job) -> _Kind:
    base, limits = job.base, job.limits
    return _Kind(
        base.lowers,
        str(base.binds),  # of dictionaries
        base.notes,
        job.program.cwd,
        tuple(getattr(limits, name) for name in _OF_A_BOX),
        job.exact,
        job.rungs,
        job.warm,
        job.program.env if job.warm else (),
    )


def _may_wait(job: Job) -> bool:
    """Not with a network; nor where an output, or a pair's processor, comes with the run."""
    lent = job.stdout >= 0 or job.stderr >= 0
    return job.network is None and not lent and job.limits.open_files >= FEWEST_FILES


def _place(job: Job) -> Job:
    """What its box is made by, without the run."""
    return replace(
        job,
        program=replace(PLACE, cwd=job.program.cwd),
        rows=(),
        stdin=b"",
        collect=(),
        collect_in="",
        warm=None,
    )
