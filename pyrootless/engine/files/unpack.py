"""A tar stream → files below a directory, of a container or of the host.

What comes in: an archive of anybody's, who may put files there.
What goes out: its members as files; what could not be made, in words.
Must never: leave the directory; follow a link of the host's; put a file in a directory's place
or the other way round; make a program of the host's that runs as its owner.

Source: docker-cp(1); Docker Engine API 1.45, PutContainerArchive, noOverwriteDirNonDir.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO

from pyrootless.engine.files.owners import DEVICE_ATTRIBUTE, Owners
from pyrootless.engine.files.stream import PlainStream

_CHUNK_BYTES = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_ID = stat.S_ISUID | stat.S_ISGID
_CAPABILITY = "SCHILY.xattr.security.capability"

Copy = Callable[[tarfile.TarInfo, int], int]
"""A member's content to a descriptor → how many bytes."""
Place = Callable[[bytes], int]
"""A directory below the target, made where it is missing → its descriptor, the caller's."""


def open_below(base: int, folder: bytes, mode: int = 0o755) -> int:
    """A directory below another, made where it is missing; never through a link.

    Args:
        base: Descriptor of the directory on top; it stays the caller's.
        folder: Relative path.
        mode: Of what is made.

    Returns:
        Its descriptor, the caller's.
    """
    at = os.dup(base)
    for name in filter(None, folder.split(b"/")):
        try:
            with suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=at)
            below = os.open(name, _FOLDER, dir_fd=at)
        finally:
            os.close(at)
        at = below
    return at


class ArchiveError(Exception):
    """An archive that must not be unpacked, or not onto what is there."""


@dataclass(slots=True)
class Extractor:
    """One archive.

    Attributes:
        place: Finds directories.
        owners: Who the files are to belong to; None: the caller, without set-id bits.
        as_root: Whatever the archive says, they are root's.
        size_bytes: Content that was written.
        left_out: What could not be made, by name.
    """

    place: Place
    owners: Owners | None = None
    as_root: bool = False
    size_bytes: int = 0
    left_out: list[str] = field(default_factory=list)
    _parent: bytes | None = field(default=None, init=False)
    _at: int = field(default=-1, init=False)
    _directories: dict[bytes, tarfile.TarInfo] = field(default_factory=dict, init=False)

    def run_plain(self, stream: PlainStream) -> None:
        """All members of an archive of pack.py; as `run`."""
        with self._told():
            for info in stream:
                self._member(stream.copy, info)
            self._finish()

    def run(self, stream: IO[bytes]) -> None:
        """All members.

        Raises:
            ArchiveError: Malformed, leads out, or does not fit what is there.
            OSError: It cannot be written.
        """
        with (
            self._told(),
            tarfile.open(
                fileobj=stream, mode="r|*", bufsize=_CHUNK_BYTES, errors="surrogateescape"
            ) as archive,
        ):
            for info in archive:
                self._member(partial(_copy, archive), info)
                archive.members = []  # type: ignore[attr-defined]
            self._finish()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What is wrong with an archive is one kind of failure."""
        try:
            yield
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise ArchiveError(f"no whole tar archive: {error}") from error
        finally:
            if self._at >= 0:
                os.close(self._at)

    def _member(self, copy: Copy, info: tarfile.TarInfo) -> None:
        path = clean(info.name)
        if not path:  # the directory itself
            self._directories[b""] = info
            return
        folder, _, name = path.rpartition(b"/")
        at = self._folder(folder)
        self._refuse_other_kind(at, name, info)
        if info.isdir():
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=at)
            self._directories[path] = info
            return
        if not self._make(copy, at, name, info):
            self.left_out.append(info.name)

    def _make(self, copy: Copy, at: int, name: bytes, info: tarfile.TarInfo) -> bool:
        if info.isreg():
            self._file(copy, at, name, info)
        elif info.issym():
            _remove(at, name)
            os.symlink(_bytes(info.linkname), name, dir_fd=at)
            self._settle(at, name, info)
        elif info.islnk():
            self._link(at, name, clean(info.linkname))
        elif info.isfifo():
            _remove(at, name)
            os.mkfifo(name, 0o600, dir_fd=at)
            self._settle(at, name, info)
        elif info.ischr() or info.isblk():
            return self._device(at, name, info)
        return True

    def _file(self, copy: Copy, at: int, name: bytes, info: tarfile.TarInfo) -> None:
        out = _open_new(at, name)
        try:
            self.size_bytes += copy(info, out)
            self._settle_open(out, info)
        finally:
            os.close(out)

    def _link(self, at: int, name: bytes, target: bytes) -> None:
        folder, _, last = target.rpartition(b"/")
        there = self.place(folder)
        try:
            _remove(at, name)
            os.link(last, name, src_dir_fd=there, dst_dir_fd=at, follow_symlinks=False)
        finally:
            os.close(there)

    def _device(self, at: int, name: bytes, info: tarfile.TarInfo) -> bool:
        """A fake root's device is an empty file; a user can make no other."""
        if self.owners is None or not self.owners.claims:
            return False
        out = _open_new(at, name)
        try:
            letter = "c" if info.ischr() else "b"
            text = f"{letter} {info.devmajor} {info.devminor}"
            os.setxattr(out, DEVICE_ATTRIBUTE, text.encode())
            self._settle_open(out, info)
        finally:
            os.close(out)
        return True

    def _refuse_other_kind(self, at: int, name: bytes, info: tarfile.TarInfo) -> None:
        try:
            old = os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(old.st_mode) != info.isdir():
            kinds = ("directory", "non-directory")
            have, come = kinds if stat.S_ISDIR(old.st_mode) else kinds[::-1]
            raise ArchiveError(f'cannot overwrite {have} "{info.name}" with {come}')

    def _folder(self, folder: bytes) -> int:
        if folder != self._parent:
            fresh = self.place(folder)
            if self._at >= 0:
                os.close(self._at)
            self._at, self._parent = fresh, folder
        return self._at

    def _finish(self) -> None:
        """Directories last: what is put into them changes their times, their modes may shut
        us out."""
        for path in sorted(self._directories, reverse=True):
            at = self.place(path)
            try:
                self._settle_open(at, self._directories[path])
            finally:
                os.close(at)

    def _settle(self, at: int, name: bytes, info: tarfile.TarInfo) -> None:
        """Owner, mode and time of a link or FIFO."""
        found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
        try:
            self._own(found, info)
            if info.isfifo():
                os.chmod(f"/proc/self/fd/{found}", info.mode & 0o777)  # noqa: PTH101
        finally:
            os.close(found)
        os.utime(name, ns=_times(info), dir_fd=at, follow_symlinks=False)

    def _settle_open(self, descriptor: int, info: tarfile.TarInfo) -> None:
        self._own(descriptor, info)
        os.fchmod(descriptor, info.mode & (0o7777 if self.owners else 0o7777 & ~_SET_ID))
        capability = info.pax_headers.get(_CAPABILITY)
        if capability and self.owners and not self.owners.claims and not self.as_root:
            with suppress(OSError):  # nobody may give what he has not
                os.setxattr(descriptor, "security.capability", _bytes(capability))
        os.utime(descriptor, ns=_times(info))

    def _own(self, descriptor: int, info: tarfile.TarInfo) -> None:
        if self.owners is not None:
            self.owners.give(descriptor, *((0, 0) if self.as_root else (info.uid, info.gid)))


def _copy(archive: tarfile.TarFile, info: tarfile.TarInfo, out: int) -> int:
    """A member's content to a file; how many bytes."""
    source = archive.extractfile(info)
    size = 0
    while source is not None and (data := source.read(_CHUNK_BYTES)):
        left = memoryview(data)
        while left:
            left = left[os.write(out, left) :]
        size += len(data)
    return size


def clean(name: str) -> bytes:
    """A member's name without empty parts and dots; b"": the root itself.

    Raises:
        ArchiveError: It leads out.
    """
    parts = _bytes(name).split(b"/")
    if b".." in parts or b"\0" in b"".join(parts):
        raise ArchiveError(f"a member's name leads out of the archive: {name!r}")
    return b"/".join(part for part in parts if part not in (b"", b"."))


def _open_new(at: int, name: bytes) -> int:
    """A new file in the old one's place; one that is a mount of its own is written into."""
    try:
        _remove(at, name)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        old = os.open(name, _OLD, dir_fd=at)
        if stat.S_ISREG(os.fstat(old).st_mode):
            os.ftruncate(old, 0)
            return old
        os.close(old)
        raise
    return os.open(name, _NEW, 0o600, dir_fd=at)


def _remove(at: int, name: bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=at)


def _times(info: tarfile.TarInfo) -> tuple[int, int]:
    """Exactly, where the archive says more than seconds."""
    text = info.pax_headers.get("mtime", "")
    whole, _, part = text.partition(".")
    if whole.lstrip("-").isdigit() and part.isdigit() and not whole.startswith("-"):
        ns = int(whole) * 1_000_000_000 + int(part[:9].ljust(9, "0"))
    else:
        ns = int(info.mtime) * 1_000_000_000
    return ns, ns


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
