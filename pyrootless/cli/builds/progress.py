"""How a build goes on, as BuildKit's clients show it.

What comes in: events of a build, from several threads.
What goes out: lines on standard error.
Must never: fail a build because nobody reads; show what a terminal would obey.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TextIO

from pyrootless.printable import printable


class PlainProgress:
    """`#5 [2/3] RUN …`, `#5 0.123 output`, `#5 DONE 0.2s`, `#5 CACHED`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._began: dict[int, float] = {}

    def began(self, vertex: int, title: str) -> None:
        """A piece of work begins."""
        self._began[vertex] = time.monotonic()
        self._write(f"#{vertex} {printable(title)}")

    def wrote(self, vertex: int, line: str) -> None:
        """Its program wrote a line."""
        self._write(f"#{vertex} {self._seconds(vertex):.3f} {printable(line, kept=chr(9))}")

    def ended(self, vertex: int, *, cached: bool = False, failure: str = "") -> None:
        """It is done."""
        if failure:
            self._write(f"#{vertex} ERROR: {printable(failure)}\n")
        elif cached:
            self._write(f"#{vertex} CACHED\n")
        else:
            self._write(f"#{vertex} DONE {self._seconds(vertex):.1f}s\n")

    def warned(self, text: str) -> None:
        """Something to be told of the Dockerfile."""
        self._write(f"warning: {printable(text)}\n")

    def _seconds(self, vertex: int) -> float:
        return time.monotonic() - self._began.get(vertex, time.monotonic())

    def _write(self, text: str) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(f"{text}\n")
            self._stream.flush()


class TerminalProgress(PlainProgress):
    """A line for each step that is done, and one for what is under way."""

    WIDTH = 100

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._titles: dict[int, str] = {}
        self._running: dict[int, str] = {}

    def began(self, vertex: int, title: str) -> None:
        """A piece of work begins."""
        self._began[vertex] = time.monotonic()
        self._titles[vertex] = printable(title)
        self._running[vertex] = ""
        self._show("")

    def wrote(self, vertex: int, line: str) -> None:
        """What it wrote last stands beside it."""
        self._running[vertex] = printable(line)
        self._show("")

    def ended(self, vertex: int, *, cached: bool = False, failure: str = "") -> None:
        """Its line stays."""
        self._running.pop(vertex, None)
        kind = "CACHED " if cached else "ERROR " if failure else ""
        title = f"{kind}{self._titles.get(vertex, '')}"[: self.WIDTH - 10]
        self._show(f" => {title:<{self.WIDTH - 10}}{self._seconds(vertex):>6.1f}s\n")

    def warned(self, text: str) -> None:
        """Above the line that moves."""
        self._show(f"warning: {printable(text)}\n")

    def close(self) -> None:
        """Take the moving line away."""
        self._running.clear()
        self._show("")

    def _show(self, text: str) -> None:
        last = next(reversed(self._running), None)
        line = ""
        if last is not None:
            said = self._running[last]
            line = f" .. {self._titles[last]}{f': {said}' if said else ''}"[: self.WIDTH]
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(f"\r\x1b[K{text}{line}")
            self._stream.flush()
