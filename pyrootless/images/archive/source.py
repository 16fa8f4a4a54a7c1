"""Where images are read from that are no registry: an archive file, a stream, a directory.

What comes in: a file or stream with a tar archive (compressed or not), or a directory.
What goes out: `Source`: files by name, read whole or by the chunk.
Must never: unpack an archive, follow a link out of a directory, leave a temporary file.

A plain archive in a file is read where it lies. What cannot be read twice (a pipe, a compressed
archive) is first written, plain, to a file without a name below the store's tmp/: the kernel
removes that with this process, however it ends.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from pyrootless.errors import IntegrityError, StoreError
from pyrootless.images.archive.compression import (
    CHUNK_BYTES,
    MAGIC_BYTES,
    Readable,
    compression_of,
    plain_chunks,
)
from pyrootless.images.archive.tar import Member, follow_links, read_members
from pyrootless.images.store import remedy_of

MAX_DOCUMENT_BYTES = 4 << 20


class Source(AbstractContextManager["Source"], Protocol):
    """Files by name; a context manager that closes what it read from."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def open(self, name: str) -> BinaryIO:
        """The file, from its begin. Raises IntegrityError when there is none."""


class TarSource:
    """The members of a plain tar archive in a seekable file."""

    def __init__(self, stream: BinaryIO, start: int = 0) -> None:
        self._stream = stream
        self._members = read_members(stream, start)

    def __enter__(self) -> TarSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def has(self, name: str) -> bool:
        """Whether there is such a file, links followed."""
        return follow_links(self._members, name) is not None

    def open(self, name: str) -> BinaryIO:
        """The member, from its begin."""
        member = follow_links(self._members, name)
        if member is None:
            raise IntegrityError(f"the archive has no {name}")
        return cast(BinaryIO, _Slice(self._stream, member))


class DirectorySource:
    """The files below a directory; nothing is reached through a link in it."""

    def __init__(self, directory: Path) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self._name = str(directory)
        try:
            self._descriptor = os.open(directory, flags)
        except OSError as error:
            raise StoreError(
                f"cannot open the directory {directory}: {error.strerror}",
                remedy="give the directory of an OCI layout (it has an index.json)",
            ) from error

    def __enter__(self) -> DirectorySource:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            self.open(name).close()
        except IntegrityError:
            return False
        return True

    def open(self, name: str) -> BinaryIO:
        """The file, from its begin."""
        try:
            descriptor = _open_beneath(self._descriptor, name)
        except OSError as error:
            raise IntegrityError(
                f"{self._name} has no readable {name}: {error.strerror}"
            ) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IntegrityError(f"{self._name}/{name} is not a plain file")
        return os.fdopen(descriptor, "rb")


def open_archive(stream: BinaryIO, temporary: Path) -> TarSource:
    """The archive in a file or stream, compressed or not.

    Args:
        stream: At the archive's begin. Closed by the source when it is read in place.
        temporary: Directory for what cannot be read in place.

    Raises:
        IntegrityError: Not an archive, or a damaged one.
        StoreError: No room below `temporary`.
    """
    if _is_file(stream):
        start = stream.tell()
        if not compression_of(stream.read(MAGIC_BYTES)):
            return TarSource(stream, start)
        stream.seek(start)
    head, whole = peek(stream)
    spool = open_unnamed(temporary)
    try:
        for chunk in plain_chunks(whole, compression_of(head)):
            _write(spool, chunk, temporary)
        return TarSource(spool)
    except BaseException:
        spool.close()
        raise


def open_unnamed(directory: Path) -> BinaryIO:
    """A file for reading and writing that has no name and goes with its descriptor.

    Raises:
        StoreError: The directory cannot be written.
    """
    import tempfile

    try:
        return tempfile.TemporaryFile(dir=directory, buffering=CHUNK_BYTES)  # type: ignore[return-value]
    except OSError as error:
        raise StoreError(
            f"cannot write below {directory}: {error.strerror}",
            remedy=remedy_of(error),
        ) from error


def read_document(source: Source, name: str) -> bytes:
    """A JSON document of a source, whole.

    Raises:
        IntegrityError: There is none, or it is larger than 4 MiB.
    """
    with source.open(name) as stream:
        data = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise IntegrityError(f"{name} is larger than 4 MiB")
    return data


def read_blob(source: Source, digest: str) -> bytes:
    """A small blob of an OCI layout, compared with its digest.

    Raises:
        IntegrityError: Not there, too large, or other bytes than the digest says.
    """
    data = read_document(source, blob_path(digest))
    algorithm, _, value = digest.partition(":")
    if hashlib.new(algorithm, data).hexdigest() != value:
        raise IntegrityError(f"the blob {digest} has other content than its digest says")
    return data


def blob_path(digest: str) -> str:
    """Where an OCI layout has a blob. Source: OCI image layout, "Blobs"."""
    algorithm, _, value = digest.partition(":")
    if algorithm not in ("sha256", "sha512") or not value.isalnum():
        raise IntegrityError(f"{digest[:100]!r} is not a digest this engine knows")
    return f"blobs/{algorithm}/{value}"


def read_chunks(source: Source, name: str) -> Iterator[bytes]:
    """A file of a source, a chunk at a time."""
    with source.open(name) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def peek(stream: Readable) -> tuple[bytes, Readable]:
    """The first bytes, and a stream that still has them."""
    head = b""
    while len(head) < MAGIC_BYTES and (more := stream.read(MAGIC_BYTES - len(head))):
        head += more
    return head, Prefixed(head, stream)


def _is_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.seekable()
    except (OSError, ValueError):
        return False


def _write(spool: BinaryIO, chunk: bytes, temporary: Path) -> None:
    try:
        spool.write(chunk)
    except OSError as error:
        raise StoreError(
            f"cannot write below {temporary}: {error.strerror}",
            remedy="make room: pyrootless system prune; or give a plain archive in a file",
        ) from error


def _open_beneath(directory: int, name: str) -> int:
    """Component by component, none of them a link; never waits for a FIFO's other end."""
    *parents, last = name.split("/")
    current = os.dup(directory)
    try:
        for part in parents:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(part, flags, dir_fd=current)
            os.close(current)
            current = below
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(last, flags, dir_fd=current)
    finally:
        os.close(current)


class Prefixed(io.RawIOBase):
    """A stream some bytes of which were already read."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._stream.read(size)
        taken = self._head if size < 0 else self._head[:size]
        self._head = self._head[len(taken) :]
        return taken + self._stream.read(-1) if size < 0 else taken


class _Slice(io.RawIOBase):
    """One member: reading ends with it. Several may be open, each with its own position."""

    def __init__(self, stream: BinaryIO, member: Member) -> None:
        self._stream = stream
        self._at = member.offset
        self._end = member.offset + member.size_bytes

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        left = self._end - self._at
        self._stream.seek(self._at)
        data = self._stream.read(left if size < 0 else min(size, left))
        if not data and left and size != 0:
            raise IntegrityError("the archive was cut off while it was read")
        self._at += len(data)
        return data
