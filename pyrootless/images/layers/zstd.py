"""Zstandard, and files of several frames: the standard library's decoders (zstd's from its
back-port before Python 3.14).

What comes in: a readable file at the begin of compressed bytes.
What goes out: a reader of the plain bytes, frame after frame; the class of its errors.
Must never: load the library where nothing is compressed with zstd; end quietly in the middle of
a frame; bring more than was asked for at once, whatever the compressed bytes claim.

The library's own file reads through a buffer of 128 KiB, which costs a tenth of the decoding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol, cast

WINDOW_LOG_MAX = 27
"""What `zstd` itself accepts without being asked for more: 128 MiB of memory."""
PACKED_BYTES = 1 << 18
"""Compressed bytes that are read, and handed to the decoder, at once at most."""
FIRST_BYTES = 1 << 12
"""Those that a frame is begun with: what lies behind its end comes back as a copy, and a frame
may be as short as ten bytes."""


class Reader(Protocol):
    """What can be read from."""

    def read(self, size_bytes: int, /) -> bytes:
        """At most so many bytes; b"" at the end."""


def open_zstd(source: Reader) -> Reader:
    """The plain bytes of a file.

    Reading raises EOFError where the last frame is not complete, and `zstd_error()` for damage.
    """
    return Frames(source, _decoder)


class Frames:
    """Frames one after the other; zstd's decoder reads over skippable ones.

    Args:
        source: The compressed bytes.
        decoder: Makes the decoder of one frame, in the shape of `lzma.LZMADecompressor`.
        padding: The byte that may lie between two frames; b"": none may.
    """

    def __init__(
        self, source: Reader, decoder: Callable[[], Any], *, padding: bytes = b""
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._padding = padding
        self._frame = decoder()
        self._packed = b""
        self._at = 0
        self._step_bytes = FIRST_BYTES

    def read(self, size_bytes: int, /) -> bytes:
        """At most so many plain bytes; b"" behind the last frame."""
        while True:
            packed = b""
            if self._frame.eof:
                self._at -= len(self._frame.unused_data)
                self._step_bytes = FIRST_BYTES
                packed = self._begin()
                if not packed:
                    return b""
                self._frame = self._decoder()
            elif self._frame.needs_input:
                packed = self._next()
                if not packed:
                    raise EOFError("they end in the middle of a frame")
            plain: bytes = self._frame.decompress(packed, size_bytes)
            if plain:
                return plain

    def _begin(self) -> bytes:
        """The first compressed bytes of the next frame; b"": there is none."""
        while packed := self._next():
            if not self._padding or (packed := packed.lstrip(self._padding)):
                return packed
        return b""

    def _next(self) -> bytes:
        """The next compressed bytes, of a frame more and more at once; b"": there are none."""
        if self._at == len(self._packed):
            self._packed, self._at = self._source.read(PACKED_BYTES), 0
        taken = self._packed[self._at : self._at + self._step_bytes]
        self._at += len(taken)
        self._step_bytes = min(2 * self._step_bytes, PACKED_BYTES)
        return taken


def _decoder() -> Any:
    library = _library()
    options = {library.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}
    return library.ZstdDecompressor(options=options)


def zstd_error() -> type[Exception]:
    """What the library raises for damaged bytes."""
    return cast(type[Exception], _library().ZstdError)


def _library() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
