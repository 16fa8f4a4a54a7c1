"""Compressed files: which compression, and the plain bytes.

What comes in: a readable file.  What goes out: chunks of plain bytes, of bounded size.
Must never: hold more than a chunk in memory, end quietly where compressed bytes are cut off.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, Protocol, cast

from pyrootless.errors import IntegrityError
from pyrootless.images.layers import (
    FREE_BYTES,
    Frames,
    Reader,
    check_ratio,
    open_zstd,
    zstd_error,
)

CHUNK_BYTES = 1 << 20
MAGIC_BYTES = 6
XZ_MEMORY_BYTES = 128 << 20
"""What a decoder of xz may take: `xz -9` needs 65 MiB; a header can ask for 4 GiB."""


class Readable(Protocol):
    """What can be read from its begin to its end; b"" is the end."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; all that is left without a number."""


Compression = Literal["", "gzip", "zstd", "xz", "bzip2"]

_MAGICS: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
)
"""RFC 1952 2.3.1; RFC 8878 3.1.1; the .xz file format 2.1.1.1; bzip2(1)."""


def compression_of(head: bytes) -> Compression:
    """The compression of what begins with `head`; "" for none."""
    return next((name for magic, name in _MAGICS if head.startswith(magic)), "")


def file_chunks(stream: Reader) -> Iterator[bytes]:
    """What is left of a file, a chunk at a time."""
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def plain_chunks(
    stream: Readable, compression: Compression, *, trusted: bool = False
) -> Iterator[bytes]:
    """The plain bytes of a file, a chunk at a time.

    Args:
        stream: At the begin of the compressed bytes.
        compression: From `compression_of`.
        trusted: It is the store's own, which was measured when it came in.

    Raises:
        IntegrityError: Malformed or cut off, or a bomb.
    """
    if not compression:
        yield from file_chunks(stream)
        return
    counted = _Counted(stream)
    total = 0
    for chunk in _decompressed(counted, compression):
        total += len(chunk)
        if total > FREE_BYTES and not trusted:
            check_ratio(total, counted.bytes_read, f"the {compression} data")
        yield chunk


def _decompressed(stream: _Counted, compression: Compression) -> Iterator[bytes]:
    try:
        yield from file_chunks(_open(stream, compression))
    except _errors(compression) as error:
        if stream.failure is not None:
            raise stream.failure from None
        raise IntegrityError(f"the {compression} data is damaged: {error}") from error


def _open(stream: _Counted, compression: Compression) -> Reader:
    """A file that reads as plain bytes; each library is loaded when it is needed."""
    source = cast(BinaryIO, stream)
    if compression == "gzip":
        from isal import igzip

        return cast(BinaryIO, igzip.IGzipFile(fileobj=source, mode="rb"))  # type: ignore[no-untyped-call]
    if compression == "zstd":
        return open_zstd(source)
    if compression == "xz":
        import lzma

        def decoder() -> Any:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)

        return Frames(source, decoder, padding=b"\0")
    import bz2

    return cast(BinaryIO, bz2.BZ2File(source))


def _errors(compression: Compression) -> tuple[type[Exception], ...]:
    """What a library raises for damaged data."""
    ours: tuple[type[Exception], ...] = (EOFError, OSError)
    if compression == "gzip":
        from isal import isal_zlib

        return (*ours, cast(type[Exception], isal_zlib.error))  # its stub has an instance
    if compression == "zstd":
        return (*ours, zstd_error())
    if compression == "xz":
        import lzma

        return (*ours, lzma.LZMAError)
    return ours


class _Counted(io.RawIOBase):
    """A file that counts what was read of it, and tells its own failures from the data's."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.bytes_read = 0
        self.failure: OSError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._stream.read(len(view))
        except OSError as error:
            self.failure = error
            raise
        view[: len(data)] = data
        self.bytes_read += len(data)
        return len(data)
