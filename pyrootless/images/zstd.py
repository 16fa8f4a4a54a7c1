"""Zstandard: the standard library's reader, from its back-port before Python 3.14.

What comes in: a readable file at the begin of compressed bytes.
What goes out: a file of the plain bytes, frame after frame; the class of its errors.
Must never: load the library where nothing is compressed with zstd; end quietly in the middle of
a frame; bring more than a buffer at once, whatever the compressed bytes claim.
"""

from __future__ import annotations

import sys
from typing import Any, BinaryIO, cast

WINDOW_LOG_MAX = 27
"""What `zstd` itself accepts without being asked for more: 128 MiB of memory."""


def open_zstd(source: BinaryIO) -> BinaryIO:
    """The plain bytes of a file.

    Reading raises EOFError where the last frame is not complete, and `zstd_error()` for damage.
    """
    library = _library()
    options = {library.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}
    return cast(BinaryIO, library.ZstdFile(source, "rb", options=options))


def zstd_error() -> type[Exception]:
    """What the library raises for damaged bytes."""
    return cast(type[Exception], _library().ZstdError)


def _library() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
