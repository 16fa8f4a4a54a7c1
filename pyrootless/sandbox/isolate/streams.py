"""Where the three streams of a run of the isolate-shaped front lead.

What comes in: paths as the program sees them. What goes out: descriptors to lend.
Must never: follow a link in a directory that a program could write to before; wait for the
other end of a FIFO beyond the wall limit.
"""

from __future__ import annotations

import os
import posixpath
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyrootless.errors import UsageError
from pyrootless.sandbox import File, FileLike, box
from pyrootless.sandbox.isolate import place as isolate_place
from pyrootless.sandbox.isolate.place import Place
from pyrootless.sandbox.isolate.rules import Rule, rule_of

_SAFELY = os.O_CLOEXEC | os.O_NOCTTY | os.O_NOFOLLOW
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What paths are looked up in.

    Attributes:
        place: The box.
        cwd: What relative paths begin at.
        rules: Directories that are bound.
        files: The box's files before the run.
        wall_ns: How long the other end of a FIFO may take.
    """

    place: Place
    cwd: str
    rules: tuple[Rule, ...]
    files: Mapping[str, FileLike]
    wall_ns: int


class Streams:
    """Three streams."""

    def __init__(self, where: Surroundings, paths: tuple[str, str, str]) -> None:
        self._where, self._paths = where, paths
        self._made: dict[str, Path] = {}

    @contextmanager
    def opened(self, stderr_to_stdout: bool) -> Iterator[tuple[bytes | int, int, int]]:
        """Descriptors to lend, and bytes for a file of the box."""
        with ExitStack() as stack:
            stdin = self._stdin(stack)
            stdout = self._output(stack, 1)
            yield stdin, stdout, stdout if stderr_to_stdout else self._output(stack, 2)

    def keep(self) -> None:
        """Output that was asked for in a file of the box becomes that file."""
        for name, path in self._made.items():
            isolate_place.put(self._where.place, name, File(path.read_bytes()))
            path.unlink()

    def _stdin(self, stack: ExitStack) -> bytes | int:
        path = self._paths[0]
        if not path:
            return 0
        whole = posixpath.normpath(posixpath.join(self._where.cwd, path))
        bound = self._bound(stack, whole, os.O_RDONLY)
        if bound is not None:
            return bound
        file = self._where.files.get(whole.removeprefix(f"{box.CWD}/"))
        if isinstance(file, File) and isinstance(file.data, bytes):
            return file.data
        raise UsageError(f'open("{path}"): no such file in the box, nor below a --dir')

    def _output(self, stack: ExitStack, number: int) -> int:
        path = self._paths[number]
        if not path:
            return number
        whole = posixpath.normpath(posixpath.join(self._where.cwd, path))
        bound = self._bound(stack, whole, _WRITE)
        if bound is not None:
            return bound
        if not whole.startswith(f"{box.CWD}/"):
            raise UsageError(f'open("{path}"): neither in the box nor below a --dir')
        made = self._where.place.path / f"stream-{number}"
        made = self._made.setdefault(whole.removeprefix(f"{box.CWD}/"), made)
        fd = os.open(made, _WRITE | _SAFELY, 0o600)
        stack.callback(os.close, fd)
        return fd

    def _bound(self, stack: ExitStack, whole: str, flags: int) -> int | None:
        """A descriptor of a path outside the box's own directory; None: it lies in there."""
        rule = rule_of(whole, self._where.rules)
        if rule is None and whole != "/dev/null":
            return None
        try:
            if rule is None:
                fd = os.open(whole, flags | _SAFELY)
            else:
                inner = posixpath.relpath(whole, rule.inside)
                fd = _open_below(rule.outside, inner, flags, self._where.wall_ns)
        except OSError as error:
            raise UsageError(f'open("{whole}"): {error.strerror}') from error
        stack.callback(os.close, fd)
        return fd


def _open_below(directory: str, path: str, flags: int, wall_ns: int) -> int:
    """Step by step, so that no link on the way leads elsewhere."""
    *parents, name = path.split("/")
    step = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    current = os.open(directory, step)
    try:
        for parent in parents:
            below = os.open(parent, step | os.O_NOFOLLOW, dir_fd=current)
            os.close(current)
            current = below
        if _is_fifo(name, current):
            return _open_fifo(name, current, flags, wall_ns)
        return os.open(name, flags | _SAFELY | os.O_NONBLOCK, 0o644, dir_fd=current)
    finally:
        os.close(current)


def _is_fifo(name: str, parent: int) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _open_fifo(name: str, parent: int, flags: int, wall_ns: int) -> int:
    """As open(2): when the other end is there too; given up at the wall limit."""
    found: list[int | OSError] = []

    def wait() -> None:
        try:
            found.append(os.open(name, flags | _SAFELY, dir_fd=parent))
        except OSError as error:
            found.append(error)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    waiter.join(min(wall_ns / 1e9, threading.TIMEOUT_MAX))
    if waiter.is_alive():
        both = os.open(name, os.O_RDWR | os.O_NONBLOCK | _SAFELY, dir_fd=parent)
        waiter.join()
        os.close(both)
        late = found[0]
        if isinstance(late, int):
            os.close(late)
        raise UsageError(f'open("{name}"): nobody opened the other end of this FIFO in time')
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]
