"""A running container in a Python program's hands.

What comes in: a created `_containers.Container` and what its standard streams should be.
What goes out: `Child`: streams, wait, signal, kill; `Result` when it ended.
Must never: leave a container behind: close, garbage collection and the process's end kill it.
"""

from __future__ import annotations

import json
import os
import signal as signals
import subprocess
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, BinaryIO, cast

from pyrootless.closing import Closing
from pyrootless.core import _containers
from pyrootless.engine.arguments import OptionValue, to_argv
from pyrootless.engine.control import ended_within, run_inside
from pyrootless.engine.spawner import call_in_lasting_thread
from pyrootless.errors import UsageError
from pyrootless.held import HeldLimit, held_limits
from pyrootless.result import EndedBy, Result, Usage

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL

_LOOK_AGAIN_S = 0.01

Ending = tuple[tuple[str, int, int, int, int, int, int], dict[str, int]]
"""How a container ended, as C tells it: (ended_by, exit code, signal, nanoseconds of wall,
user and system, largest resident set in bytes), usage."""
Stream = int | IO[bytes] | IO[str] | None
"""PIPE, DEVNULL (or None), a descriptor, or an open file."""


class Child(Closing):
    """One running container.

    Attributes:
        stdin: Writable when stdin=PIPE was asked for, else None.
        stdout: Readable when stdout=PIPE was asked for, else None.
        stderr: The same for standard error.
        args: The program and its arguments.
        limits: What holds each limit that was asked for, and how exactly.
        result: How it ended; None while it runs.
    """

    def __init__(
        self, container: _containers.Container, stdin: Stream, stdout: Stream, stderr: Stream
    ) -> None:
        self._container = container
        self.result: Result | None = None
        self.stdin: BinaryIO | None = None
        self.stdout: BinaryIO | None = None
        self.stderr: BinaryIO | None = None
        container.create()
        self.args = container.args
        self.limits = _limits_of(container)
        self._verified = container.is_verified
        self._limit_ns = container.wall_limit_ns
        lent, closing = self._open_streams(stdin, stdout, stderr)
        try:
            call_in_lasting_thread(lambda: container.start(*lent))
        except BaseException:
            container.close()
            self._close_streams()
            raise
        finally:
            for fd in closing:
                os.close(fd)

    @property
    def id(self) -> str:
        """64 hex digits."""
        return self._container.id

    @property
    def pid(self) -> int:
        """Process id of the container's pid 1 as the host sees it; -1 after the end."""
        return self._container.pid

    @property
    def config(self) -> bytes:
        """The OCI config.json it runs under."""
        return self._container.config

    @property
    def deadline_ns(self) -> int | None:
        """time.monotonic_ns() at which the wall limit passes; None: no limit."""
        return self._started_ns + self._limit_ns if self._limit_ns else None

    def fileno(self) -> int:
        """A descriptor that becomes readable when the container has ended (pidfd_open(2))."""
        return self._container.pidfd

    def wait(self, timeout: float | None = None) -> Result:
        """Wait for the end; the wall limit (`timeout=` of launch) is enforced here.

        Args:
            timeout: Seconds this call may take; the container goes on. None: no limit.

        Raises:
            TimeoutError: It still runs after `timeout` seconds.
        """
        if self.result is not None:
            return self.result
        if timeout is not None and not self._ended_within(timeout):
            raise TimeoutError(f"container {self.id[:12]} still runs after {timeout} s")
        *ending, left, usage = self._container.wait(self._limit_ns)
        if left is not None:  # the program's own end stands; the next launch sweeps
            warnings.warn(str(left), RuntimeWarning, stacklevel=2)
        ended = cast(Ending, (tuple(ending), usage))
        made = make_result(self.args, ended, self.limits, (b"", b""))
        self.result = replace(made, verified=self._verified)
        return self.result

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process.

        As outside a container, a signal that ends a process and is not handled ends it.
        """
        if self.result is None:
            self._container.signal(number)

    def run_inside(
        self,
        args: Sequence[str],
        *,
        input: bytes | None = None,
        wait_at_most: float | None = None,
        **options: OptionValue,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one more program in the container and wait for it.

        Args:
            args: Program and arguments.
            input: What it reads from standard input; None: nothing.
            wait_at_most: Seconds; None: no limit.
            **options: Options of `pyrootless exec` with "_" for "-": env, user, workdir, …

        Returns:
            Its return code (128+n when signal n ended it; 125 when pyrootless failed, which
            standard error then explains) and what it printed.

        Raises:
            UsageError: An option or value has no meaning.
            subprocess.TimeoutExpired: It was killed after `wait_at_most` seconds.
        """
        words = to_argv(self.id, args, options)
        return run_inside(self._container.data, words, input, wait_at_most)

    def kill(self) -> None:
        """End it at once, whatever it does. wait() then tells ended_by "killed"."""
        self.signal(signals.SIGKILL)

    def close(self) -> None:
        """Kill it if it runs, close the streams. Safe to call twice."""
        self._container.close()
        self._close_streams()

    def _ended_within(self, timeout: float) -> bool:
        limit_ns = time.monotonic_ns() + int(timeout * 1e9)
        deadline = self.deadline_ns
        until = limit_ns if deadline is None else min(limit_ns, deadline)
        return self._ended_until(until) or (deadline is not None and deadline <= limit_ns)

    def _ended_until(self, until_ns: int) -> bool:
        if self.fileno() < 0:  # FALLBACK: remove when kernel >= 5.3 is required
            return self._seen_ended_until(until_ns)
        return ended_within(self.fileno(), (until_ns - time.monotonic_ns()) / 1e9)

    def _seen_ended_until(self, until_ns: int) -> bool:
        """Without a descriptor to wait for: look again and again, and leave it to be reaped."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while os.waitid(os.P_PID, self.pid, flags) is None:
            left_ns = until_ns - time.monotonic_ns()
            if left_ns <= 0:
                return False
            time.sleep(min(_LOOK_AGAIN_S, left_ns / 1e9))
        return True

    def _open_streams(self, *wishes: Stream) -> tuple[list[int], list[int]]:
        """Descriptors for the container, and those of them to close after the launch."""
        self._started_ns = time.monotonic_ns()
        lent: list[int] = []
        closing: list[int] = []
        for number, wish in enumerate(wishes):
            if wish == PIPE:
                fd = self._open_pipe(number)
                closing.append(fd)
            else:
                fd = descriptor(wish)
            lent.append(fd)
        return lent, closing

    def _open_pipe(self, number: int) -> int:
        read_fd, write_fd = open_pipe()
        if number == 0:
            self.stdin = os.fdopen(write_fd, "wb", 0)
            return read_fd
        reader = os.fdopen(read_fd, "rb", 0)
        if number == 1:
            self.stdout = reader
        else:
            self.stderr = reader
        return write_fd

    def _close_streams(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


def _limits_of(container: _containers.Container) -> tuple[HeldLimit, ...]:
    """What holds each limit. config.json is read for it: most containers have none."""
    if not container.is_limited:
        return ()
    return held_limits(json.loads(container.config).get("annotations", {}))


def make_result(
    args: tuple[str, ...],
    ended: Ending,
    limits: tuple[HeldLimit, ...],
    outputs: tuple[bytes, bytes],
) -> Result:
    """What the core says of an end, as a value."""
    (ended_by, code, number, wall, user, system, rss), usage = ended
    return Result(
        args=args,
        ended_by=cast(EndedBy, ended_by),
        exit_code=code if ended_by == "exit" else None,
        signal=number or None,
        stdout=outputs[0],
        stderr=outputs[1],
        wall_ns=wall,
        user_ns=user,
        system_ns=system,
        max_rss_bytes=rss,
        enforced={limit.name: limit.rung for limit in limits},
        exactness={limit.name: limit.exactness for limit in limits},
        usage=Usage(**usage),
    )


def open_pipe() -> tuple[int, int]:
    """A pipe whose end a program gets: its user may open it anew, as /dev/stdout."""
    read_fd, write_fd = os.pipe()
    os.fchmod(write_fd, 0o666)
    return read_fd, write_fd


def descriptor(wish: Stream) -> int:
    """Descriptor to lend; -1: /dev/null. No terminal: the container could type into it."""
    if wish is None or wish == DEVNULL:
        return -1
    fd = wish if isinstance(wish, int) else wish.fileno()
    if fd < 0:
        raise UsageError(f"{wish!r} is not a stream; use PIPE, DEVNULL, a descriptor or a file")
    if os.isatty(fd):
        raise UsageError("a container cannot get the caller's terminal; use PIPE and copy")
    return fd
