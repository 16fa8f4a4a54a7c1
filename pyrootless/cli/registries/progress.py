"""How a transfer shows its progress: bars on a terminal, plain lines elsewhere, or nothing.

What comes in: the events of pyrootless.images.transfer.pull.Progress, from several threads.
What goes out: text on standard error.
Must never: write to standard output (scripts read that), fail because nobody reads.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from pyrootless.images import Progress, Silence
from pyrootless.units import format_size

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_OTHER_ROWS = 3
"""Of a terminal: the line for all layers, the one before and the one after."""
_SEVERAL = 2

SHORT = 12
"""Digits of a digest that people are shown, as docker does."""


@contextmanager
def show_progress(*, quiet: bool, stream: TextIO | None = None) -> Iterator[Progress]:
    """The Progress that fits where its text goes.

    Args:
        quiet: Say nothing.
        stream: None: standard error.
    """
    out = sys.stderr if stream is None else stream
    if quiet:
        yield Silence()
    elif out.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with _bars(out) as bars:
            yield BarProgress(bars)
    else:
        yield LineProgress(out)


class LineProgress:
    """A line when a layer begins and one when it is there."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def layer_started(self, digest: str, size: int) -> None:
        """Source: pull.Progress."""
        self._say(f"{short_digest(digest)}: {format_size(size)}")

    def layer_advanced(self, digest: str, count: int) -> None:
        """Source: pull.Progress.  Nothing: a log is not a bar."""

    def layer_done(self, digest: str, what: str) -> None:
        """Source: pull.Progress."""
        self._say(f"{short_digest(digest)}: {what}")

    def owners_set(self, count: int, total: int) -> None:
        """Source: pull.Progress.  Nothing: see layer_advanced."""

    def _say(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except OSError:
                pass  # nobody reads; the transfer goes on


class OwnersLine:
    """One line of a terminal, rewritten, about owners that take longer than a person waits."""

    PATIENCE_SECONDS = 0.5

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._begin: float | None = None
        self._shown = False

    def __call__(self, count: int, total: int) -> None:
        """Source: pull.Progress.owners_set."""
        now = self._clock()
        if self._begin is None:
            self._begin = now
        if not self._stream.isatty() or now - self._begin < self.PATIENCE_SECONDS:
            return
        try:
            self._write(count, total)
        except OSError:
            pass  # nobody reads

    def _write(self, count: int, total: int) -> None:
        if count < total:
            self._stream.write(f"\rsetting owners, once: {count} of {total} layers")
            self._shown = True
        elif self._shown:
            self._stream.write("\r\x1b[K")
            self._shown = False
        self._stream.flush()


class BarProgress:
    """A bar for each layer, in the order of the layers, as far as they fit; below all of them.

    Where there are more than rows, those that move come first, then those that wait.
    """

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._rows = max(bars.console.height - _OTHER_ROWS, 1)
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._sizes: dict[str, int] = {}
        self._moving: set[str] = set()
        self._done: set[str] = set()
        self._all: TaskID | None = None
        self._waited: float | None = None
        self._told = False

    def layer_started(self, digest: str, size: int) -> None:
        """Source: pull.Progress."""
        with self._lock:
            self._sizes[digest] = max(size, 1)
            self._tasks[digest] = self._bars.add_task(
                "waiting", total=max(size, 1), layer=short_digest(digest), visible=False
            )
            if self._all is not None:
                self._bars.remove_task(self._all)  # the last one is shown last
            self._all = self._bars.add_task("", total=1, layer="all", visible=False)
            self._arrange()

    def layer_advanced(self, digest: str, count: int) -> None:
        """Source: pull.Progress."""
        self._bars.update(self._tasks[digest], advance=count, description="pulling")
        with self._lock:
            if digest not in self._moving:
                self._moving.add(digest)
                self._arrange()
            self._count()

    def layer_done(self, digest: str, what: str) -> None:
        """Source: pull.Progress."""
        full = self._sizes[digest]
        self._bars.update(self._tasks[digest], completed=full, description=what)
        with self._lock:
            self._done.add(digest)
            self._arrange()
            self._count()

    def _arrange(self) -> None:
        """Choose the bars that are shown."""
        rank = {
            digest: 2 if digest in self._done else int(digest not in self._moving)
            for digest in self._tasks
        }
        shown = set(sorted(rank, key=rank.__getitem__)[: self._rows])
        for digest, task in self._tasks.items():
            self._bars.update(task, visible=digest in shown)

    def _count(self) -> None:
        """The line for all of them, where there is more than one."""
        if self._all is None or len(self._tasks) < _SEVERAL:
            return
        done = {task.id: task.completed for task in self._bars.tasks}
        self._bars.update(
            self._all,
            visible=True,
            total=sum(self._sizes.values()),
            completed=sum(done[task] for task in self._tasks.values()),
            description=f"{len(self._done)} of {len(self._tasks)} layers",
        )

    def owners_set(self, count: int, total: int) -> None:
        """Source: pull.Progress.  The bars stand: all is there, but not yet everybody's."""
        if count == 0 and self._waited is None:
            self._waited = time.monotonic()
        late = (
            self._waited is not None
            and time.monotonic() - self._waited > OwnersLine.PATIENCE_SECONDS
        )
        if late and not self._told:
            self._told = True
            self._bars.console.print(f"setting owners of {total} layers")


def short_digest(digest: str) -> str:
    """ "sha256:6a08887fb2c7…" → "6a08887fb2c7"."""
    return digest.partition(":")[2][:SHORT]


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.fields[layer]}"),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TextColumn("{task.description}"),
        console=Console(file=stream, highlight=False),
    )
