"""Layers as they travel → the plain tar: gzip, zstd or neither.

What comes in: pieces of bytes as they arrive, and the media type that was announced.
What goes out: a reader of the plain bytes that also knows how many compressed ones went in.
Must never: hold more than a piece and a window, whatever the compressed bytes claim; take a
form for another because of its name alone: the first bytes decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from pyrootless.errors import IntegrityError
from pyrootless.images.layers.zstd import open_zstd, zstd_error

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
"""Behind one byte 0x50 to 0x5f: a frame to read over (RFC 8878, section 3.1.2)."""
LAYER_TYPES = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
LAYER_FORMS = ("tar", "tar+gzip", "tar+zstd", "tar.gzip", "tar.zstd")

MAX_RATIO = 300
"""Plain bytes for each compressed one, that is: on average. Deflate can reach 1032, but only on
the same byte over and over; real layers stay below 20."""
FREE_BYTES = 4 << 30
"""Up to so many plain bytes nothing is asked: a small file of zeros is no bomb."""

_REMEDY = "get the layer again, or ask its publisher: pyrootless pull IMAGE"


def check_ratio(
    size_bytes: int, compressed_bytes: int, what: str, max_ratio: int = MAX_RATIO
) -> None:
    """Refuse a bomb. Every door that decompresses asks here: pull, load, import.

    Args:
        size_bytes: Plain bytes so far; the caller asks nothing about the first FREE_BYTES.
        compressed_bytes: Those they came from.
        what: For the message: "the layer".
        max_ratio: Plain bytes for each compressed one.

    Raises:
        IntegrityError: It grows beyond measure.
    """
    if size_bytes > compressed_bytes * max_ratio:
        raise IntegrityError(
            f"{what} grows beyond measure: {compressed_bytes} compressed bytes became "
            f"{size_bytes}, more than {max_ratio} for one",
            remedy="get it from somebody you trust; if it is right, decompress it first",
        )


class _Stream(Protocol):
    def read(self, size_bytes: int, /) -> bytes: ...


class PlainReader:
    """The plain bytes of one layer.

    Attributes:
        form: "gzip", "zstd" or "plain".
    """

    def __init__(self, chunks: Iterable[bytes], media_type: str = "") -> None:
        """Look at the first bytes.

        Args:
            chunks: The compressed bytes, in pieces of any size.
            media_type: What the manifest says the layer is; "": unknown.

        Raises:
            IntegrityError: The media type is none of a layer that can be read.
        """
        _check_media_type(media_type)
        self._source = _Source(chunks)
        self.form = _form(self._source.peek(4))
        self._stream: _Stream = _open(self._source, self.form)
        self._errors = _errors(self.form)

    @property
    def compressed_bytes(self) -> int:
        """How many bytes of the chunks were used so far."""
        return self._source.taken_bytes

    def read(self, size_bytes: int) -> bytes:
        """At most so many plain bytes; b"" at the end.

        Raises:
            IntegrityError: The compressed bytes are damaged or end too early.
        """
        try:
            return self._stream.read(size_bytes)
        except self._errors as error:
            raise IntegrityError(
                f"the layer's {self.form} bytes are damaged: {error}", remedy=_REMEDY
            ) from error


class _Source:
    """Pieces as a file to read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._rest: bytes | memoryview = b""
        self.taken_bytes = 0

    def peek(self, size_bytes: int) -> bytes:
        """The first bytes, fewer when there are no more; they stay to be read."""
        while len(self._rest) < size_bytes:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest = bytes(self._rest) + chunk
        return bytes(self._rest[:size_bytes])

    def read(self, size_bytes: int = -1) -> bytes:
        """At most so many bytes; b"" at the end.  Without a number: one piece."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        if size_bytes < 0 or len(self._rest) <= size_bytes:
            taken, self._rest = self._rest, b""
        else:
            view = memoryview(self._rest)
            taken, self._rest = view[:size_bytes], view[size_bytes:]
        self.taken_bytes += len(taken)
        return bytes(taken)

    def readinto(self, target: bytearray) -> int:
        """As io.RawIOBase has it."""
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)


def _check_media_type(media_type: str) -> None:
    if not media_type:
        return
    for prefix in LAYER_TYPES:
        form = media_type.removeprefix(prefix)
        # nondistributable.v1.tar, v1.tar, diff.tar, foreign.diff.tar: the end is what counts.
        if form != media_type and form.endswith(LAYER_FORMS) and "encrypted" not in form:
            return
    raise IntegrityError(
        f'a layer of type "{media_type}" cannot be read: layers are tar, plain, gzip or zstd',
        remedy="ask the image's publisher for one of these, or convert it: "
        "skopeo copy --dest-compress-format gzip SOURCE DESTINATION",
    )


def _form(head: bytes) -> str:
    if head.startswith(GZIP_MAGIC):
        return "gzip"
    skippable = head[1:4] == ZSTD_SKIPPABLE and head[0] & 0xF0 == 0x50
    return "zstd" if head == ZSTD_MAGIC or skippable else "plain"


def _open(source: Any, form: str) -> Any:
    """The library's reader over a source; neither library has types for a plain `read`."""
    if form == "gzip":
        from isal import igzip

        return igzip.IGzipFile(fileobj=source, mode="rb")  # type: ignore[no-untyped-call]
    if form == "zstd":
        return open_zstd(source)
    return source


def _errors(form: str) -> Any:
    """The classes that the library of a form raises for damaged bytes."""
    if form == "gzip":
        import gzip

        from isal import isal_zlib

        return (EOFError, gzip.BadGzipFile, isal_zlib.error)
    if form == "zstd":
        return (EOFError, zstd_error())
    return ()
