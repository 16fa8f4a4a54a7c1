"""Blobs: bytes named by their digest, exactly as they were received.

What comes in: bytes and the digest they should have.
What goes out: DATA/blobs/ALGORITHM/HEX, mode 0444, verified and flushed before
it has that name.
Must never: give out bytes that were not compared with their digest, change a blob in place.

A blob that was found corrupted is set aside as HEX.damaged, so that the next pull fetches it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pyrootless.closing import Closing
from pyrootless.config import Directories
from pyrootless.errors import IntegrityError, StoreError, UsageError
from pyrootless.images import MAX_BYTES, check_digest
from pyrootless.images.store.files import (
    entries_of,
    flush_directory,
    make_store,
    write_all,
    writing,
)
from pyrootless.images.store.temporary import Temporaries

CHUNK_BYTES = 1024 * 1024
MODE = 0o444
DAMAGED = ".damaged"
HEAL = "fetch it again: pyrootless pull IMAGE"


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A file below DATA/blobs.

    Attributes:
        path: Where it lies.
        digest: "" for one that is set aside as damaged.
        size_bytes: Its length.
    """

    path: Path
    digest: str
    size_bytes: int


class Blobs:
    """The blobs of one store. Reading takes no lock and needs no write."""

    def __init__(self, directories: Directories, temporaries: Temporaries) -> None:
        self._directories = directories
        self._temporaries = temporaries

    def path(self, digest: str) -> Path:
        """Where a blob lies when it is there.

        Raises:
            IntegrityError: That is no digest.
        """
        try:
            algorithm, digits = check_digest(digest).split(":")
        except UsageError as error:
            raise IntegrityError(str(error)) from None
        return self._directories.blobs / algorithm / digits

    def has(self, digest: str, size: int | None = None) -> bool:
        """Whether a blob is there; its bytes are compared when they are read.

        Args:
            digest: Of the blob.
            size: A file of another length counts as missing; None: any length.
        """
        try:
            facts = self.path(digest).stat()
        except OSError:
            return False
        return stat.S_ISREG(facts.st_mode) and size in (None, facts.st_size)

    def read(self, digest: str, max_bytes: int = MAX_BYTES) -> bytes:
        """A small blob's bytes, verified.

        Raises:
            IntegrityError: It is missing, longer than max_bytes, or not what its digest says.
            StoreError: It cannot be read.
        """
        with self._open(digest) as opened:
            if opened.size_bytes > max_bytes:
                raise IntegrityError(
                    f"blob {digest} has {opened.size_bytes} bytes; at most {max_bytes} were "
                    "expected",
                    remedy=HEAL,
                )
            return b"".join(opened.chunks())

    def stream(self, digest: str) -> Iterator[bytes]:
        """A blob's bytes, a part at a time. Trust none of them before the last has come.

        Raises:
            IntegrityError: It is missing; or, after the last part, not what its digest says.
            StoreError: It cannot be read.
        """
        with self._open(digest) as opened:
            yield from opened.chunks()

    def verify(self, digest: str) -> bool:
        """Compare a whole blob with its digest; one that is damaged is set aside.

        For a reader that stopped half-way, because what it read made no sense.

        Raises:
            StoreError: It cannot be read.
        """
        try:
            for _ in self.stream(digest):
                pass
        except IntegrityError:
            return False
        return True

    def put(self, data: bytes) -> str:
        """Store bytes; their digest. A damaged blob of that name is replaced.

        Raises:
            StoreError: The store cannot be written.
        """
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        try:
            if self.path(digest).read_bytes() == data:
                return digest
        except OSError:
            pass  # not there yet, or unreadable and now replaced
        make_store(self._directories)
        with writing(self.path(digest)):
            path, descriptor = self._temporaries.make_file("blob-")
            try:
                write_all(descriptor, data)
                _give_name(path, descriptor, self.path(digest))
            finally:
                path.unlink(missing_ok=True)
                os.close(descriptor)
        return digest

    def writer(self, digest: str, size: int, *, wait: bool = False) -> BlobWriter:
        """Write a blob that comes in parts.

        Args:
            digest: What it should have.
            size: Bytes it should have.
            wait: While somebody else writes it, wait; afterwards `done` says that it is there.
                Else both write, and both succeed.
        """
        self.path(digest)
        return BlobWriter(self._directories, self._temporaries, digest, size, wait=wait)

    def list_all(self) -> list[StoredBlob]:
        """Every file below DATA/blobs."""
        found = []
        for algorithm in ("sha256", "sha512"):
            for path in entries_of(self._directories.blobs / algorithm):
                digest = "" if path.suffix else f"{algorithm}:{path.name}"
                found.append(StoredBlob(path, digest, _size(path)))
        return found

    def _open(self, digest: str) -> _OpenedBlob:
        path = self.path(digest)
        try:
            return _OpenedBlob(path, digest)
        except FileNotFoundError:
            raise IntegrityError(
                f"blob {digest} is missing from the store", remedy=HEAL
            ) from None
        except OSError as error:
            raise StoreError(f"blob {digest} cannot be read: {error.strerror}") from error


class BlobWriter(Closing):
    """Writes one blob; a context manager.

    Without `commit` what was written waits in tmp/ for the next try, unless `discard` was
    called or somebody else was writing the same blob.

    Attributes:
        offset: Bytes that are there, from an earlier try or by `write`; go on from here. It may
            be `size` already: then only `commit` is left.
        done: The blob was in the store when the writer was entered; writing again replaces it.
    """

    def __init__(
        self,
        directories: Directories,
        temporaries: Temporaries,
        digest: str,
        size: int,
        *,
        wait: bool = False,
    ) -> None:
        self.offset = 0
        self.done = False
        self._directories = directories
        self._temporaries = temporaries
        self._digest = digest
        self._algorithm, self._digits = digest.split(":")
        self._size = size
        self._wait = wait
        self._descriptor = -1
        self._path = Path()
        self._private = False
        self._hash = hashlib.new(self._algorithm)

    def __enter__(self) -> Self:
        make_store(self._directories)
        with writing(self._temporaries.directory):
            self._take_place()
            self._resume()
        self.done = self._target().is_file()
        return self

    def close(self) -> None:
        """Keep what has come for another try, unless it is of no use."""
        if self._descriptor < 0:
            return
        if self._private or self.offset == 0:
            self.discard()
        else:
            self._close()

    def write(self, chunk: bytes | memoryview) -> None:
        """Append a part.

        Raises:
            IntegrityError: The blob is longer than it should be; nothing of it is kept.
            StoreError: It cannot be written; what came so far is kept.
        """
        length = memoryview(chunk).nbytes
        if self.offset + length > self._size:
            self.discard()
            raise IntegrityError(
                f"blob {self._digest} is longer than the {self._size} bytes announced"
            )
        with writing(self._path):
            write_all(self._descriptor, chunk)
        self._hash.update(chunk)
        self.offset += length

    def commit(self) -> None:
        """Verify, flush, and give the blob its name.

        Raises:
            IntegrityError: It is too short (what came is kept), or not what its digest says.
            StoreError: It cannot be written.
        """
        if self.offset != self._size:
            raise IntegrityError(
                f"blob {self._digest} ended after {self.offset} of {self._size} bytes",
                remedy="try again: what came is kept, and the rest is fetched",
            )
        found = self._hash.hexdigest()
        if found != self._digits:
            self.discard()
            raise IntegrityError(
                f"blob {self._digest} is not what it should be: its digest is "
                f"{self._algorithm}:{found}",
                remedy="try again; if it stays so, the source is damaged",
            )
        target = self._target()
        with writing(target):
            _give_name(self._path, self._descriptor, target)
        self._close()

    def discard(self) -> None:
        """Keep nothing of what was written."""
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            self._close()

    def _take_place(self) -> None:
        """The partial of this blob; a file of our own while somebody else has that."""
        name = self._digits if self._algorithm == "sha256" else self._digest.replace(":", "-")
        shared = self._temporaries.open_partial(name, wait=self._wait)
        self._private = shared is None
        self._path, self._descriptor = shared or self._temporaries.make_file("blob-")

    def _resume(self) -> None:
        """Hash what an earlier try left."""
        there = os.fstat(self._descriptor).st_size
        if there > self._size:
            os.ftruncate(self._descriptor, 0)
        while part := os.read(self._descriptor, CHUNK_BYTES):
            self._hash.update(part)
            self.offset += len(part)

    def _target(self) -> Path:
        return self._directories.blobs / self._algorithm / self._digits

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1


class _OpenedBlob:
    """An open blob, compared with its digest when its last part was given out."""

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._digest = digest
        self._file = path.open("rb", buffering=0)
        self.size_bytes = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> _OpenedBlob:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def chunks(self) -> Iterator[bytes]:
        algorithm, digits = self._digest.split(":")
        total = hashlib.new(algorithm)
        try:
            while part := self._file.read(CHUNK_BYTES):
                total.update(part)
                yield part
        except OSError as error:
            raise StoreError(
                f"blob {self._digest} cannot be read: {error.strerror}", remedy=HEAL
            ) from error
        if total.hexdigest() != digits:
            self._set_aside()
            raise IntegrityError(f"blob {self._digest} in the store is corrupted", remedy=HEAL)

    def _set_aside(self) -> None:
        """Out of the way of the next pull, unless somebody healed it already."""
        own = os.fstat(self._file.fileno())
        try:
            named = self._path.lstat()
            if (own.st_dev, own.st_ino) == (named.st_dev, named.st_ino):
                self._path.rename(self._path.with_name(self._path.name + DAMAGED))
        except OSError:
            pass  # a read-only store: the words of the error must do


def _give_name(path: Path, descriptor: int, target: Path) -> None:
    """From a temporary to a blob: flushed before it has its name, and the name after it."""
    os.fsync(descriptor)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    path.rename(target)
    os.fchmod(descriptor, MODE)  # not before: a partial must stay writable for the next try
    flush_directory(target.parent)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
