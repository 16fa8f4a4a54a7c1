"""Files on their way out of a box, after every process in it is dead.

What comes in: a descriptor of the box's written tree, patterns.
What goes out: bytes by name, and why a wanted file is not among them.
Must never: follow a link, open anything but a regular file, read more than the limit, look at
anything outside the descriptor, raise for what the program did to its tree.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_WILD = frozenset("*[")
_DEPTH_MAX = 64
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = stat.S_IRUSR | stat.S_IXUSR
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(slots=True)
class Collected:
    """What was found.

    Attributes:
        files: Name → bytes.
        modes: Name → permission bits.
        bad: Name or pattern → why it is not among the files.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)


def collect_files(
    upper_fd: int, cwd: str, patterns: Sequence[str], max_bytes: int
) -> Collected:
    """Read the files that patterns name.

    Args:
        upper_fd: The tree that the box wrote, as a directory.
        cwd: Where in it relative names begin, absolute in the box.
        patterns: Names relative to cwd; "*" and "[…]" match within a name, "**" at any depth;
            one with "?" at its end may be missing.
        max_bytes: All of them together.
    """
    found = Collected()
    left = max_bytes
    with _Directory.below(upper_fd, cwd) as base:
        for pattern in patterns:
            optional = pattern.endswith("?")
            name = pattern[:-1] if optional else pattern
            names = [name] if not _WILD & set(name) else list(_matching(base, name))
            if not names and not optional:
                found.bad[name] = "missing"
            for each in names:
                left -= _take(base, each, optional, left, found)
    return found


class _Directory:
    """A directory's descriptor; fd is -1 when there is none."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def below(cls, fd: int, path: str) -> _Directory:
        """Walk down without following a link."""
        try:
            current = _opened(fd)
        except OSError:
            return cls(-1)
        for name in [part for part in path.split("/") if part]:
            following = _named(name, current)
            os.close(current)
            current = following
            if current < 0:
                break
        return cls(current)

    def __enter__(self) -> _Directory:
        return self

    def __exit__(self, *_: object) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def _named(name: str, dir_fd: int) -> int:
    """A directory in another; -1: there is none, or it cannot be read."""
    try:
        place = os.open(name, _PLACE, dir_fd=dir_fd)
    except OSError:
        return -1
    try:
        return _opened(place)
    except OSError:
        return -1
    finally:
        os.close(place)


def _opened(place: int) -> int:
    """The directory that a descriptor names, which O_PATH may have made, to be read.

    The program may have taken the permission away, from its root too. The tree is the caller's
    and nobody else has it any more, so it is given back.

    Raises:
        OSError: It is not to be had.
    """
    mode = stat.S_IMODE(os.fstat(place).st_mode)
    if mode & _LIST != _LIST:
        Path(f"/proc/self/fd/{place}").chmod(mode | _LIST)
    return os.open(".", _DIRECTORY, dir_fd=place)


def _take(base: _Directory, name: str, optional: bool, left: int, found: Collected) -> int:
    """Read one file into found; how many bytes it took."""
    if name in found.files or name in found.bad:
        return 0
    try:
        data, mode = _read(base, name, left)
    except FileNotFoundError:
        if not optional:
            found.bad[name] = "missing"
        return 0
    except OSError as error:
        found.bad[name] = _reason(error)
        return 0
    except ValueError as error:
        found.bad[name] = str(error)
        return 0
    found.files[name] = data
    found.modes[name] = mode
    return len(data)


def _reason(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return "a symbolic link"
    if error.errno == errno.ENXIO:
        return "not a regular file"
    return (error.strerror or "unreadable").lower()


def _read(base: _Directory, name: str, left: int) -> tuple[bytes, int]:
    folder, _, last = name.rpartition("/")
    if base.fd < 0 or not last or ".." in name.split("/"):
        raise FileNotFoundError(errno.ENOENT, "missing")
    with _Directory.below(base.fd, folder) as parent:
        if parent.fd < 0:
            raise FileNotFoundError(errno.ENOENT, "missing")
        facts = os.stat(last, dir_fd=parent.fd, follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            raise ValueError("a symbolic link")
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("not a regular file")
        fd = os.open(last, _FILE, dir_fd=parent.fd)
    with os.fdopen(fd, "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("not a regular file")
        if facts.st_size > left:
            raise ValueError("larger than what may be collected")
        return stream.read(left), stat.S_IMODE(facts.st_mode)


def _matching(base: _Directory, pattern: str) -> Iterator[str]:
    """Names of regular files below base, sorted; links and the like are no match."""
    if base.fd < 0:
        return
    for name in sorted(_names(base.fd, "", _depth(pattern))):
        if fnmatch.fnmatchcase(name, pattern) and (
            "**" in pattern or name.count("/") == pattern.count("/")
        ):
            yield name


def _depth(pattern: str) -> int:
    return _DEPTH_MAX if "**" in pattern else pattern.count("/")


def _names(fd: int, prefix: str, depth: int) -> Iterator[str]:
    with os.scandir(fd) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_file(follow_symlinks=False):
            yield prefix + entry.name
        elif depth > 0 and entry.is_dir(follow_symlinks=False):
            with _Directory.below(fd, entry.name) as below:
                if below.fd >= 0:
                    yield from _names(below.fd, f"{prefix}{entry.name}/", depth - 1)
