"""Work in progress below DATA/tmp: made, locked while its maker lives, swept afterwards.

What comes in: the engine's directories.  What goes out: locked files and directories, links.
Must never: touch what a living process has locked.

Names begin with what they are: `partial-` (downloads, resumable, kept for a day), `blob-`,
`layer-`, `scratch-`, `host-`, `alone-` (locked), `link-` and `version-` (made and renamed at
once).
What has another name is somebody else's; it is swept when it is a day old and not locked.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyrootless.config import Directories
from pyrootless.errors import StoreError
from pyrootless.images.store.files import (
    is_same_file,
    make_store,
    open_directory,
    token,
    try_lock,
    writing,
)
from pyrootless.images.store.removal import Budget, move_to_trash, remove_tree

KEEP_SECONDS = 24 * 3600
"""How long a partial download, or a thing of an unknown name, waits for its maker."""
MAX_SWEPT = 256
"""Entries one sweep looks at, of each directory."""
MAX_SECONDS = 0.25
"""How long a sweep may take that nobody asked for; the rest waits for the next."""
_OWN = ("alone-", "blob-", "layer-", "scratch-", "link-", "version-", "host-")


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did.

    Attributes:
        removed: Names in the trash that are gone.
        problems: One sentence for each that could not be removed.
    """

    removed: int
    problems: tuple[str, ...]


class Temporaries:
    """The directory DATA/tmp of one store."""

    def __init__(self, directories: Directories) -> None:
        self._directories = directories

    @property
    def directory(self) -> Path:
        """DATA/tmp."""
        return self._directories.temporary

    def make_file(self, prefix: str) -> tuple[Path, int]:
        """A fresh locked file; its path and descriptor, which holds the lock."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            path = self.directory / f"{prefix}{token()}"
            descriptor = os.open(path, flags, 0o600)
            if _claim(descriptor, path):
                return path, descriptor

    def make_directory(self, prefix: str) -> tuple[Path, int]:
        """A fresh locked directory; its path and descriptor, which holds the lock."""
        while True:
            path = self.directory / f"{prefix}{token()}"
            path.mkdir(0o700)
            try:
                descriptor = open_directory(path)
            except FileNotFoundError:
                continue  # swept before it was locked
            if _claim(descriptor, path):
                return path, descriptor

    def open_partial(self, name: str, *, wait: bool) -> tuple[Path, int] | None:
        """The partial download of this name, locked; made when there is none.

        Args:
            name: Of the blob.
            wait: Until whoever has it is done; else None when somebody has it.
        """
        return self._open_locked(f"partial-{name}", wait=wait)

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """One process, one thread, at a piece of work; the others wait.  A kill frees it.

        Args:
            name: Of the work; a file of this name holds the lock, and goes with it.

        Raises:
            OSError: It cannot be made.
        """
        locked = self._open_locked(f"alone-{name}", wait=True)
        assert locked is not None
        path, descriptor = locked
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def _open_locked(self, name: str, *, wait: bool) -> tuple[Path, int] | None:
        path = self.directory / name
        while True:
            descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            try:
                if wait:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                elif not try_lock(descriptor):
                    os.close(descriptor)
                    return None
            except BaseException:
                os.close(descriptor)
                raise
            if is_same_file(descriptor, path):
                return path, descriptor
            os.close(descriptor)  # committed or swept meanwhile

    def place_link(self, target: str, link: Path) -> None:
        """Make or replace a symbolic link in one step."""
        while True:
            fresh = self.directory / f"link-{token()}"
            fresh.symlink_to(target)
            try:
                fresh.rename(link)
                return
            except FileNotFoundError:
                if not link.parent.is_dir():
                    raise
                # swept before it was renamed

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory of one's own, gone afterwards.

        Raises:
            StoreError: It cannot be made.
        """
        make_store(self._directories)
        with writing(self.directory):
            path, descriptor = self.make_directory("scratch-")
        try:
            yield path
        finally:
            remove_tree(path)
            os.close(descriptor)

    def sweep(self) -> Swept:
        """Remove what dead processes left in tmp/ and what lies in trash/; bounded."""
        self.bury()
        return self.empty_trash(Budget(max_seconds=MAX_SECONDS))

    def bury(self, *, partials: bool = False) -> None:
        """Move what dead processes left in tmp/ into the trash.

        Args:
            partials: Partial downloads too, however young.
        """
        for path in _some(self.directory):
            if self._is_abandoned(path, partials=partials):
                self._bury(path)

    def empty_trash(self, budget: Budget, *, foreign: bool = False) -> Swept:
        """Take what lies in the trash off the disk.

        Args:
            budget: What may be done now.
            foreign: Files of other ids too, with the help of a user namespace.
        """
        problems = []
        for path in _some(self._directories.trash):
            if budget.is_spent():
                break
            try:
                remove_tree(path, foreign=foreign, budget=budget)
            except StoreError as error:
                problems.append(str(error))
        return Swept(budget.names, tuple(problems))

    def _is_abandoned(self, path: Path, *, partials: bool) -> bool:
        if path.name.startswith(_OWN) or (partials and path.name.startswith("partial-")):
            return True
        try:
            return time.time() - path.lstat().st_mtime > KEEP_SECONDS
        except OSError:
            return False

    def _bury(self, path: Path) -> None:
        """Move an entry into the trash unless its maker lives. Links cannot be locked."""
        try:
            if path.is_symlink():
                path.unlink()
                return
            descriptor = os.open(
                path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError:
            return  # gone meanwhile, or not ours
        try:
            if try_lock(descriptor) and is_same_file(descriptor, path):
                move_to_trash(self._directories, path)
        except OSError:
            return  # a read-only store; what writes to it says so
        finally:
            os.close(descriptor)


def _claim(descriptor: int, path: Path) -> bool:
    """Lock a temporary that was just made; False: a sweep was faster, make another."""
    if try_lock(descriptor, fcntl.LOCK_EX) and is_same_file(descriptor, path):
        return True
    os.close(descriptor)
    return False


def _some(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [
                Path(entry.path) for entry, _ in zip(entries, range(MAX_SWEPT), strict=False)
            ]
    except OSError:
        return []
