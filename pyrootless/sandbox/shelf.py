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
from pyrootless.engine.stock import Stock
from pyrootless.sandbox.collect import Collected
from pyrootless.sandbox.limits import Limits
from pyrootless.sandbox.ready import FEWEST_FILES, OF_A_RUN, PLACE, ReadyBox, make_ready
from pyrootless.sandbox.runs import Job, run_for_facts
from pyrootless.sandbox.warm import Warm, Zygote, warm_for

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
    """Stocks of ready boxes, one a kind. Any number of threads may use it at once."""

    def __init__(self, size: int, imports: tuple[str, ...] | None = None) -> None:
        """Nothing is made yet.

        Args:
            size: Boxes of each kind that wait: as many as runs take place at once.
            imports: Of warm boxes, for programs in Python; None: no box is warm.
        """
        self._size = size
        self._imports = imports
        self._lock = threading.Lock()
        self._stocks: dict[_Kind, Stock[ReadyBox] | None] = {}
        self._closed = False

    def run_for_facts(self, job: Job) -> tuple[dict[str, Any], Collected]:
        """One run, in a box that waited for it where there is one."""
        stock = self._stock_for(job)
        if stock is None:
            return run_for_facts(job)
        ready = stock.take()
        try:
            return ready.run_for_facts(job)
        finally:
            stock.replace(ready)

    def close(self) -> None:
        """End the boxes that wait."""
        with self._lock:
            self._closed = True
            stocks = [stock for stock in self._stocks.values() if stock is not None]
            self._stocks.clear()
        for stock in stocks:
            stock.close()

    def _stock_for(self, job: Job) -> Stock[ReadyBox] | None:
        """None: a direct run."""
        if not _may_wait(job):
            return None
        limits = tuple(getattr(job.limits, name) for name in _OF_A_BOX)
        base, cwd = job.base, job.program.cwd
        mounts = str(base.binds)  # of dictionaries
        warm = None if self._imports is None else warm_for(job.program, self._imports)
        env = job.program.env if warm else ()
        kind = _Kind(
            base.lowers, mounts, base.notes, cwd, limits, job.exact, job.rungs, warm, env
        )
        with self._lock:
            if self._closed or len(self._stocks) >= _MOST_KINDS and kind not in self._stocks:
                return None
            if kind not in self._stocks and warm is None:
                self._stocks[kind] = None
                return None
            stock = self._stocks.get(kind)
            if stock is None:
                zygote = Zygote(warm, env, job.limits, None) if warm else None
                make = partial(make_ready, _place(job), zygote)
                stock = self._stocks[kind] = Stock(make, self._size)
            return stock


def _may_wait(job: Job) -> bool:
    """Not with a network; nor where descriptors, or a pair's processor, come with the run."""
    lent = isinstance(job.stdin, int) or job.stdout >= 0 or job.stderr >= 0
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
    )
