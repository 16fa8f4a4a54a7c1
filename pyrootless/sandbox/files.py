"""Files on their way into a box.

What comes in: names and bytes, or paths of the caller. What goes out: rows for the core,
parents before what is in them.
Must never: let a name lead out of the box; follow a link of the caller's files outside of what
was named.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pyrootless.errors import UsageError

_NAME_MAX_BYTES = 4096
_LARGE_BYTES = 64 * 1024
"""From here on a file is handed on open: to read it costs a page fault for each page."""
_MOST_OPEN = 16
"""Of one run: descriptors are few."""


@dataclass(frozen=True, slots=True)
class File:
    """One file to be put into a box.

    Attributes:
        data: Its bytes, or the path of a file to read them from.
        mode: Permission bits; None: 0644, and 0755 for a path that is executable.
    """

    data: bytes | str | os.PathLike[str]
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file of the caller's, open for reading; closed when nobody holds it.

    Attributes:
        fd: Its descriptor.
        size: Bytes it has.
    """

    fd: int
    size: int

    def __bytes__(self) -> bytes:
        """What is in it."""
        return os.pread(self.fd, self.size, 0)

    def __del__(self) -> None:
        """Close it."""
        os.close(self.fd)


FileLike = File | bytes | bytearray | memoryview | os.PathLike[str] | None
"""bytes, a path (pathlib.Path), a File; None: a directory."""
Content = bytes | OpenFile
Row = tuple[str, Content | None, int]
"""Path below "/", bytes or None for a directory, mode."""


def file_rows(
    files: Mapping[str, FileLike] | None, cwd: str, *, at_once: bool = False
) -> list[Row]:
    """Rows for the core.

    Args:
        files: Name → what it holds. Names are relative to `cwd`, or absolute.
        cwd: The program's working directory, absolute.
        at_once: The rows go into a box at once: some large files are handed on open, and what
            is written to them before they lie in the box may show there. False: the rows hold
            bytes alone.

    Raises:
        UsageError: A name leads elsewhere, or is given twice.
    """
    rows: dict[str, tuple[Content | None, int]] = {}
    left = _MOST_OPEN if at_once else 0
    for name, value in sorted((files or {}).items()):
        path = _inside(name, cwd)
        for parent in _parents(path):
            rows.setdefault(parent, (None, 0o755))
        if path in rows and rows[path][0] is not None:
            raise UsageError(f"the file {name!r} is given twice")
        rows[path] = _content(name, value, left > 0)
        left -= isinstance(rows[path][0], OpenFile)
    _check_tree(rows)
    return [(path, data, mode) for path, (data, mode) in sorted(rows.items())]


@lru_cache(maxsize=256)
def _inside(name: str, cwd: str) -> str:
    """The path below "/", without a leading one."""
    parts = name.split("/")
    if not name or len(os.fsencode(name)) > _NAME_MAX_BYTES or "\0" in name or ".." in parts:
        raise UsageError(f"{name!r} is no name of a file in a box; write one without '..'")
    path = posixpath.normpath(posixpath.join(cwd, name)).lstrip("/")
    if path in ("", ".", cwd.strip("/")):
        raise UsageError(f"{name!r} is no name of a file in a box")
    return path


@lru_cache(maxsize=256)
def _parents(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    return tuple("/".join(parts[:count]) for count in range(1, len(parts)))


def _check_tree(rows: Mapping[str, tuple[Content | None, int]]) -> None:
    for path in rows:
        for parent in _parents(path):
            if rows[parent][0] is not None:
                raise UsageError(f"{parent!r} is a file and cannot hold {path!r}")


def _content(name: str, value: FileLike, lend: bool) -> tuple[Content | None, int]:
    if value is None:
        return None, 0o755
    file = value if isinstance(value, File) else None
    data = file.data if file else value
    mode = file.mode if file else None
    if isinstance(data, str | os.PathLike):
        return _read(name, data, mode, lend)
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), 0o644 if mode is None else mode
    raise UsageError(f"the file {name!r} must be bytes, a path or a File, not {data!r}")


def _read(
    name: str, path: str | os.PathLike[str], mode: int | None, lend: bool
) -> tuple[Content, int]:
    try:
        executable = mode is None and os.access(path, os.X_OK)
        content = (_open(path) if lend else None) or Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"the file {name!r} cannot be read: {error}") from error
    return content, mode if mode is not None else (0o755 if executable else 0o644)


def _open(path: str | os.PathLike[str]) -> OpenFile | None:
    """A large regular file; None: read it.  Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # it may be a FIFO
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_size >= _LARGE_BYTES:
        return OpenFile(fd, found.st_size)
    os.close(fd)
    return None
