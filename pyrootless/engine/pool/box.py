"""One prepared container, and a program in it.

What comes in: a created `_containers.Container`; later a program and its streams.
What goes out: `Box`, waiting; `PooledChild`, running.
Must never: execute twice; leave a descriptor or a container behind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cache

from pyrootless.core import _containers
from pyrootless.engine import PIPE, Child, Stream, descriptor, open_pipe
from pyrootless.held import HeldLimit
from pyrootless.result import Result


class Box:
    """One prepared container and our ends of its output. Closing it ends it."""

    def __init__(self, container: _containers.Container) -> None:
        self.container = container
        self.stdout = self.stderr = -1
        writers = []
        try:
            self.stdout, writer = open_pipe()
            writers.append(writer)
            self.stderr, writer = open_pipe()
            writers.append(writer)
            container.hold(-1, *writers)
        except BaseException:
            self.close()
            raise
        finally:
            for writer in writers:
                os.close(writer)

    @property
    def alive(self) -> bool:
        """It waits still: nobody killed it."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        pidfd = self.container.pidfd
        if pidfd < 0:  # FALLBACK: remove when kernel >= 5.4 is required
            return os.waitid(os.P_PID, self.container.pid, flags) is None
        return os.waitid(os.P_PIDFD, pidfd, flags) is None

    def close(self) -> None:
        """End what is left of it, remove what it had. Safe to call twice."""
        for fd in self.hand_over():
            if fd >= 0:
                os.close(fd)
        self.container.close()

    def hand_over(self) -> tuple[int, int]:
        """Standard output and error, which somebody else closes from here on."""
        ours = (self.stdout, self.stderr)
        self.stdout = self.stderr = -1
        return ours


class PooledChild(Child):
    """A program in a box of a pool; as every Child: a context manager, waited for or killed."""

    def __init__(
        self, box: Box, args: Sequence[str], limits: tuple[HeldLimit, ...], limit_ns: int
    ) -> None:
        """Use `Pool.launch`."""
        self._container = box.container
        self._box = box
        self._limit_ns = limit_ns
        self._verified = False
        self.args = tuple(args)
        self.limits = limits
        self.result: Result | None = None
        self.stdin = self.stdout = self.stderr = None

    def execute(
        self, env: list[str] | None, workdir: str | None, streams: Sequence[Stream]
    ) -> None:
        """Tell the box; its own pipes serve for PIPE."""
        stdout, stderr = self._box.hand_over()
        self.stdout = os.fdopen(stdout, "rb", 0)
        self.stderr = os.fdopen(stderr, "rb", 0)
        self._started_ns = time.monotonic_ns()
        lent, closing = [-1, -1, -1], []
        if streams[0] == PIPE:
            lent[0] = self._open_pipe(0)
            closing.append(lent[0])
        try:
            for number, wish in enumerate(streams):
                if wish != PIPE:
                    lent[number] = self._lend(number, wish)
            self._container.go(list(self.args), env, workdir, (lent[0], lent[1], lent[2]))
        except BaseException:
            self.close()
            raise
        finally:
            for fd in closing:
                os.close(fd)

    def _lend(self, number: int, wish: Stream) -> int:
        if number == 1 and self.stdout is not None:
            self.stdout = self.stdout.close()
        if number == 2 and self.stderr is not None:
            self.stderr = self.stderr.close()
        fd = descriptor(wish)
        return fd if fd >= 0 or number == 0 else _null()


@cache
def _null() -> int:
    """The host's /dev/null: a box has pipes where nothing else was asked for."""
    return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
