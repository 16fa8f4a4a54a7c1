"""Removal of trees: out of sight by one rename, then away whatever their modes and owners are.

What comes in: a directory of the store.  What goes out: nothing left of it.
Must never: follow a link, enter another file system, need memory or descriptors that grow with
a tree's depth.

A tree that nests without end costs no more than a flat one: a directory that is not empty is
moved up beside the tree's top entries first, and emptied there.
"""

from __future__ import annotations

import errno
import math
import os
import subprocess
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

from pyrootless.config import Directories, find_launcher
from pyrootless.errors import HostUnsupportedError, StoreError
from pyrootless.images.store.files import token

FOREIGN_SECONDS = 600
"""How long the removal of files of other ids may take."""
_CHUNK = 1024


def move_to_trash(directories: Directories, path: Path) -> Path | None:
    """Rename something of the store into the trash; None when it is gone already.

    Raises:
        OSError: It cannot be renamed.
    """
    grave = directories.trash / f"{path.name}.{token()}"
    try:
        path.rename(grave)
    except FileNotFoundError:
        if path.is_symlink() or path.exists():
            directories.trash.mkdir(mode=0o700, exist_ok=True)
            return move_to_trash(directories, path)
        return None
    return grave


class Budget:
    """How much one sweep may do: file systems take from a microsecond to milliseconds a file.

    Attributes:
        names: Names that were removed so far.
    """

    def __init__(self, max_names: int | None = None, max_seconds: float = math.inf) -> None:
        self.names = 0
        self._max_names = max_names
        self._end = time.monotonic() + max_seconds

    def is_spent(self) -> bool:
        """Whether the rest waits for the next sweep."""
        enough = self._max_names is not None and self.names >= self._max_names
        return enough or time.monotonic() >= self._end


def remove_tree(path: Path, *, foreign: bool = True, budget: Budget | None = None) -> None:
    """Remove a tree of the store, whatever uid owns its files.

    Args:
        path: A directory, a file or a link; nothing there is no error.
        foreign: Remove what other ids own with the help of a user namespace; else it is left.
        budget: When it is spent the rest stays, and a later call goes on. None: to the end.

    Raises:
        StoreError: Something could not be removed; the rest is gone.
    """
    try:
        _Removal(path, budget or Budget()).run()
    except FileNotFoundError:
        pass  # another sweep was faster
    except OSError as error:
        if not foreign or error.errno not in (errno.EPERM, errno.EACCES):
            raise StoreError(f"cannot remove {path}: {error.strerror}") from error
        _remove_foreign(path)


def _remove_foreign(path: Path) -> None:
    """Files of subordinate ids: only a namespace that maps these ids may remove them."""
    try:
        command = [str(find_launcher()), "unshare", "--", "rm", "-rf", str(path)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=FOREIGN_SECONDS, check=False
        )
        words = done.stderr.strip()[-500:]
    except (HostUnsupportedError, OSError, subprocess.TimeoutExpired) as error:
        words = str(error)
    if path.is_symlink() or path.exists():
        raise StoreError(
            f"cannot remove {path}, which has files of other ids: {words}",
            remedy="pyrootless doctor says whether this user may map them",
        )


class _Removal:
    """One tree's removal; the top directory is open while it runs."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget
        self._top = -1
        self._device = 0
        self._prefix = f".{token()}"
        self._moved = 0

    def run(self) -> None:
        if self._path.is_symlink() or not self._path.is_dir():
            self._path.unlink()
            self._budget.names += 1
            return
        self._top = _open_passable(str(self._path), None)
        try:
            self._device = os.fstat(self._top).st_dev
            while not self._budget.is_spent() and (names := _some_entries(self._top)):
                for name, is_directory in names:
                    if not self._budget.is_spent():
                        self._remove(name, is_directory)
        finally:
            os.close(self._top)
        if not self._budget.is_spent():
            self._path.rmdir()
            self._budget.names += 1

    def _remove(self, name: str, is_directory: bool) -> None:
        """An entry of the top: gone, or emptied of everything but what was moved up."""
        if not is_directory:
            self._unlink(name, self._top)
            return
        try:
            descriptor = _open_passable(name, self._top)
        except FileNotFoundError:
            return  # another sweep was faster
        try:
            if os.fstat(descriptor).st_dev != self._device:
                raise OSError(errno.EXDEV, "another file system is mounted there", name)
            while not self._budget.is_spent() and (children := _some_entries(descriptor)):
                for child, has_children in children:
                    self._take_out(descriptor, child, has_children)
        finally:
            os.close(descriptor)
        if not self._budget.is_spent():
            with suppress(FileNotFoundError):
                os.rmdir(name, dir_fd=self._top)
                self._budget.names += 1

    def _take_out(self, parent: int, name: str, is_directory: bool) -> None:
        if not is_directory:
            self._unlink(name, parent)
            return
        with suppress(FileNotFoundError):
            os.close(_open_passable(name, parent))  # a directory is moved by who may write it
            self._moved += 1
            target = f"{self._prefix}-{self._moved}"
            os.rename(name, target, src_dir_fd=parent, dst_dir_fd=self._top)

    def _unlink(self, name: str, parent: int) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
            self._budget.names += 1


def _some_entries(descriptor: int) -> list[tuple[str, bool]]:
    with os.scandir(descriptor) as entries:
        return [
            (item.name, item.is_dir(follow_symlinks=False)) for item in islice(entries, _CHUNK)
        ]


def _open_passable(name: str, parent: int | None) -> int:
    """A directory that may be read, changed and moved; images hold some of mode 0555 and 0."""
    flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, os.O_RDONLY | flags, dir_fd=parent)
    except PermissionError:
        bare = os.open(name, os.O_PATH | flags, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{bare}", 0o700)  # noqa: PTH101 - through the descriptor
        finally:
            os.close(bare)
        descriptor = os.open(name, os.O_RDONLY | flags, dir_fd=parent)
    try:
        if os.fstat(descriptor).st_mode & 0o700 != 0o700:
            os.fchmod(descriptor, 0o700)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
