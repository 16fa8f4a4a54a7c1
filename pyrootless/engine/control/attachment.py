"""The streams of a running container that another process started; the end of one.

What comes in: the engine's directories, a `Container` of containers.py.
What goes out: output as it comes, input and signals to it, how it ended.
Must never: end the container when this side goes away; know the form of a record (the core has
it; the kinds are in docs/reference/control.md).
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pyrootless.closing import Closing
from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.engine import Container, OptionValue, to_argv
from pyrootless.errors import ContainerStateError

WINDOW_BYTES = 32768
_ATTACH, _INPUT, _INPUT_END, _RESIZE, _SIGNAL, _STREAM, _EXEC = 1, 2, 3, 4, 5, 8, 9
_ATTACHED, _OUTPUT, _TAKEN, _LOST, _ENDED, _REFUSED, _EXEC_ENDED = 64, 65, 66, 67, 68, 69, 71
_WANTS_INPUT, _WANTS_REPLAY, _HAS_TERMINAL = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended.

    Attributes:
        ended_by: "exit", "signal", "timeout", "killed", "oom" or "cpu-time".
        exit_code: None when it did not return.
        signal: None when no signal ended it.
    """

    ended_by: str
    exit_code: int | None
    signal: int | None


def wait_container(directories: Directories, container: Container) -> Ending:
    """Block until a container has ended and is recorded; at once for one that has.

    Raises:
        ContainerStateError: It was to be removed, and nobody can tell how it ended.
    """
    places = str(directories.data), str(directories.runtime)
    return _ending(_containers.wait_state(*places, container.id))


class Execution(Closing):
    """One more program in a running container, whose monitor started it and tells its end.

    It goes on when this side goes away.
    """

    def __init__(
        self,
        directories: Directories,
        container: Container,
        args: Sequence[str],
        streams: tuple[int, int, int] = (-1, -1, -1),
        **options: OptionValue,
    ) -> None:
        """Start it.

        Args:
            directories: The engine's directories.
            container: From `find_container`.
            args: Program and arguments.
            streams: Descriptors that become its 0, 1 and 2; -1: /dev/null.
            **options: Options of `pyrootless exec` with "_" for "-": env, user, workdir, …

        Raises:
            ContainerStateError: It does not run, or runs in the foreground of its starter.
            UsageError: An option or value has no meaning.
        """
        words = to_argv("", args, options)
        chosen = words.index("")
        del words[chosen]
        self.exit_code: int | None = None
        self._fd = _connect(directories, container)
        for number, fd in enumerate(streams):
            if fd >= 0:
                _containers.send_stream(self._fd, _STREAM, number, fd)
        text = b"".join(os.fsencode(word) + b"\0" for word in words)
        _containers.send_record(self._fd, _EXEC, chosen, text)

    def fileno(self) -> int:
        """A descriptor that becomes readable when it has ended."""
        return self._fd

    def wait(self) -> int:
        """Its exit status: its own, 128+n when signal n ended it, 125 to 127 as of `exec`.

        Raises:
            ContainerStateError: Its monitor was killed, or did not start it.
        """
        if self.exit_code is None:
            record = _containers.receive_record(self._fd)
            if record is None:
                raise ContainerStateError("the container's monitor was killed")
            kind, value, payload = record
            if kind != _EXEC_ENDED:
                raise ContainerStateError(bytes(payload).decode(errors="replace"))
            self.exit_code = int(value)
        return self.exit_code

    def close(self) -> None:
        """Leave it alone. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


class Attachment(Closing):
    """One connection to a running container of `run -d` or `run -t`.

    Attributes:
        has_input: It reads what is written here.
        has_terminal: It has a terminal; its output is all of stream 1.
        lost_bytes: Output that came faster than it was read here.
        ending: How it ended; None while it runs, or when its monitor was killed.
    """

    def __init__(
        self, directories: Directories, container: Container, *, replay: bool = True
    ) -> None:
        """Connect.

        Args:
            directories: The engine's directories.
            container: From `find_container`.
            replay: Begin with what it wrote last, at most 64 KiB.

        Raises:
            ContainerStateError: It does not run, or runs in the foreground of its starter.
        """
        self.lost_bytes = 0
        self.ending: Ending | None = None
        self._window = WINDOW_BYTES
        self._come: deque[tuple[int, bytes]] = deque()
        self._over = False
        self._fd = _connect(directories, container)
        wishes = _WANTS_INPUT | (_WANTS_REPLAY if replay else 0)
        _containers.send_record(self._fd, _ATTACH, wishes, b"")
        there = self._take()
        self.has_input, self.has_terminal = (
            bool(there & _WANTS_INPUT),
            bool(there & _HAS_TERMINAL),
        )

    def fileno(self) -> int:
        """A descriptor that becomes readable when there may be something to read."""
        return self._fd

    def read(self) -> tuple[int, bytes] | None:
        """(stream, bytes) of what was written next, waiting for it; None: it has ended."""
        while not self._come and not self._over:
            self._take()
        return self._come.popleft() if self._come else None

    def write(self, data: bytes) -> None:
        """Bytes for its standard input or terminal, waiting until they are taken.

        What it writes meanwhile is kept for read().
        """
        view = memoryview(data)
        while view and not self._over:
            if self._window == 0:
                self._take()
                continue
            piece, view = bytes(view[: self._window]), view[self._window :]
            self._window -= len(piece)
            _containers.send_record(self._fd, _INPUT, 0, piece)

    def end_input(self) -> None:
        """Its standard input ends; output goes on. A terminal stays."""
        _containers.send_record(self._fd, _INPUT_END, 0, b"")

    def resize(self, rows: int, columns: int) -> None:
        """The size of its terminal."""
        _containers.send_record(self._fd, _RESIZE, rows << 16 | columns, b"")

    def signal(self, number: int) -> None:
        """A signal to its first process; one that would end a plain process ends it."""
        _containers.send_record(self._fd, _SIGNAL, number, b"")

    def close(self) -> None:
        """Leave; the container goes on. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _take(self) -> int:
        """One record of the monitor; its value."""
        record = _containers.receive_record(self._fd)
        if record is None:
            self._over = True
            return 0
        kind, value, payload = record
        if kind == _OUTPUT:
            self._come.append((value, payload))
        elif kind == _TAKEN:
            self._window += value
        elif kind == _LOST:
            self.lost_bytes += value
        elif kind == _ENDED:
            self.ending = None if payload is None else _ending(payload)
        elif kind == _REFUSED:
            raise ContainerStateError(payload.decode(errors="replace"))
        return int(value)


def _ending(told: tuple[str, int, int]) -> Ending:
    ended_by, code, number = told
    return Ending(ended_by, code if ended_by == "exit" else None, number or None)


def _connect(directories: Directories, container: Container) -> int:
    places = str(directories.data), str(directories.runtime)
    fd = _containers.connect_control(*places, container.id)
    if fd in (-errno.ENOENT, -errno.ECONNREFUSED):
        shown = container.name or container.id[:12]
        raise ContainerStateError(
            f"container {shown} has no monitor of its own to attach to",
            remedy="start it by: pyrootless run -d",
        )
    if fd < 0:
        raise OSError(-fd, os.strerror(-fd), "control socket")
    return fd
