"""Where the boxes of the isolate-shaped front lie between their runs.

What comes in: a box's number. What goes out: its directory, its files as values, and back.
Must never: follow a link, write outside the box's directory, let two runs share a box.

DATA/isolate/ID/box/ holds the files; DATA/isolate/ID/quota what --init was told; the directory
itself is flock'd by the call that works on it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyrootless.config import find_directories
from pyrootless.errors import ContainerStateError, StoreError, UsageError
from pyrootless.sandbox import File, FileLike

IDS = 1000
_PERMISSIONS = 0o777


@dataclass(frozen=True, slots=True)
class Place:
    """One box's directory."""

    path: Path

    @property
    def box(self) -> Path:
        """What the program sees as /box."""
        return self.path / "box"

    @property
    def quota(self) -> str:
        """BLOCKS,INODES as --init was told; "" when it was not."""
        try:
            return (self.path / "quota").read_text()
        except FileNotFoundError:
            return ""


def find_place(number: int) -> Place:
    """The place of a box; it need not exist.

    Raises:
        UsageError: There is no box of this number.
    """
    if not 0 <= number < IDS:
        raise UsageError(f"sandbox ID out of range (allowed: 0-{IDS - 1})")
    return Place(find_directories().make().data / "isolate" / str(number))


@contextmanager
def held(place: Place, wait: bool) -> Iterator[None]:
    """Work on an existing box alone.

    Raises:
        ContainerStateError: It was not made, or somebody else works on it.
    """
    try:
        fd = os.open(place.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ContainerStateError(
            "box directory not found", remedy="make it first: pyrootless-isolate --init"
        ) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ContainerStateError(
            "this box is currently in use by another process", remedy="wait for it: --wait"
        ) from None
    finally:
        os.close(fd)


def make(place: Place, quota: str, wait: bool) -> None:
    """An empty box; one that was there is emptied."""
    place.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with held(place, wait):
        _empty(place)
        place.box.mkdir(mode=0o755)
        if quota:
            (place.path / "quota").write_text(quota)


def remove(place: Place, wait: bool) -> None:
    """No trace of the box; nothing to do where there was none."""
    if place.path.exists():
        with held(place, wait):
            _empty(place)
            place.path.rmdir()


def _empty(place: Place) -> None:
    for entry in list(place.path.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def read_files(place: Place) -> dict[str, FileLike]:
    """Everything in the box: name → File, or None for a directory.

    Raises:
        UsageError: Something there is neither, and no program could be given it.
    """
    return dict(_walk(place.box, "", None))


def _walk(
    top: str | Path, prefix: str, parent: int | None
) -> Iterator[tuple[str, File | None]]:
    fd = os.open(
        top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent
    )
    try:
        for name in sorted(os.listdir(fd)):  # noqa: PTH208  # a descriptor, not a path
            mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield prefix + name, None
                yield from _walk(name, f"{prefix}{name}/", fd)
            elif stat.S_ISREG(mode):
                yield prefix + name, File(_read(name, fd), mode & _PERMISSIONS)
            else:
                raise UsageError(
                    f"box/{prefix}{name} is neither a file nor a directory",
                    remedy="put a copy there, or bind its directory with --dir",
                )
    finally:
        os.close(fd)


def _read(name: str, parent: int) -> bytes:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    with os.fdopen(fd, "rb") as stream:
        return stream.read()


def write_back(
    place: Place, before: Mapping[str, FileLike], after: Mapping[str, File], kept: set[str]
) -> None:
    """Make the box's files what a run left; `kept` names some that could not be read.

    Raises:
        StoreError: The directory cannot be written.
    """
    try:
        for name, value in before.items():
            if value is not None and name not in after and name not in kept:
                (place.box / name).unlink(missing_ok=True)
        for name, file in after.items():
            if before.get(name) != file:
                put(place, name, file)
    except OSError as error:
        raise StoreError(
            f"cannot write {place.box}: {error.strerror}", remedy="make room there"
        ) from error


def put(place: Place, name: str, file: File) -> None:
    """One file of the box, whole or not at all."""
    target = place.box / name
    _make_parents(place, target.parent)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    temporary = place.path / "incoming"
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as stream:
        stream.write(bytes(file.data))  # type: ignore[arg-type]  # files of a run are bytes
        os.fchmod(stream.fileno(), (file.mode or 0o644) & _PERMISSIONS)
    temporary.rename(target)


def _make_parents(place: Place, parent: Path) -> None:
    """Directories down to it; a file that stands where one is needed goes."""
    for step in [
        *reversed(parent.relative_to(place.box).parents),
        parent.relative_to(place.box),
    ]:
        path = place.box / step
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            path.mkdir(mode=0o755)
