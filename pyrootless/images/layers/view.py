"""What a container will see of its image's layers, looked up without mounting them.

What comes in: the layers' trees, top-most first, and a path.
What goes out: the bytes of a small file; where an entry lies.
Must never: leave the trees (links of an image are followed inside it alone), wait for a FIFO,
open a device, read more than asked.

The rules are the overlay file system's: a whiteout (a character device 0:0, or an empty file
marked user.overlay.whiteout) hides what lies below, an opaque directory hides the directories
below it, directories of one path are merged, anything else of the top-most layer counts alone.
Source: Linux, Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

MAX_LINKS = 40

_OPAQUE = "user.overlay.opaque"
_WHITEOUT = "user.overlay.whiteout"


def read_merged(trees: Sequence[Path], path: str, max_bytes: int) -> bytes | None:
    """The content of a regular file of the merged tree; None when there is no such path.

    Args:
        trees: The layers' directories, top-most first.
        path: Absolute or not, it counts from the merged root.
        max_bytes: The most that may be read.

    Raises:
        OSError: It is no regular file (EINVAL), larger than `max_bytes` (EFBIG), links lead in
            a circle (ELOOP), or the file system says so.
    """
    found = _find(trees, path)
    if found is None:
        return None
    descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a plain file", path)
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"is larger than {max_bytes} bytes", path)
    return data


def _find(trees: Sequence[Path], path: str) -> Path | None:
    """Where the regular file of a path lies; None: nowhere."""
    root = list(trees)
    stack = [root]
    parts = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    while parts:
        name = parts.pop()
        if name == "..":
            stack = stack[:-1] or [root]
            continue
        found = look(stack[-1], name)
        if isinstance(found, list):
            stack.append(found)
            continue
        if found is None or not (found.is_symlink() or not parts):
            return None
        if not found.is_symlink():
            return _plain(found, path)
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = str(found.readlink())
        stack = [root] if target.startswith("/") else stack
        parts += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    raise OSError(errno.EINVAL, "is not a plain file", path)


def _plain(found: Path, path: str) -> Path:
    if not stat.S_ISREG(found.lstat().st_mode):
        raise OSError(errno.EINVAL, "is not a plain file", path)
    return found


def look(directories: Sequence[Path], name: str) -> list[Path] | Path | None:
    """An entry of merged directories: merged directories again, one thing, or nothing.

    Args:
        directories: Of one path, top-most first.
        name: One component.

    Raises:
        OSError: The file system says so; PermissionError where a directory's mode keeps its
            owner out: what it has, or hides, is then not known.
    """
    merged: list[Path] = []
    shut: PermissionError | None = None
    for directory in directories:
        entry = directory / name
        try:
            facts = entry.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if _is_whiteout(entry, facts):
            break
        if not stat.S_ISDIR(facts.st_mode):
            return merged or entry
        if shut is not None:
            raise shut
        merged.append(entry)
        try:
            if _mark(entry, _OPAQUE) == b"y":
                break
        except PermissionError as error:
            shut = error  # only what lies below it could be hidden
    return merged or None


def _is_whiteout(entry: Path, facts: os.stat_result) -> bool:
    if stat.S_ISCHR(facts.st_mode):
        return facts.st_rdev == 0
    empty = stat.S_ISREG(facts.st_mode) and facts.st_size == 0
    return empty and _mark(entry, _WHITEOUT) is not None


def _mark(entry: Path, name: str) -> bytes | None:
    try:
        return os.getxattr(entry, name, follow_symlinks=False)
    except PermissionError as error:
        if error.errno == errno.EACCES:
            raise  # the mark may be there
        return None
    except OSError:
        return None
