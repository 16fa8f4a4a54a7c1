"""The tar streams of pack.py, read from a pipe without a copy of their content.

What comes in: the descriptor of a pipe.  What goes out: members, one after the other; their
content goes from the pipe to a file inside the kernel.
Must never: read a byte more than a member has: what follows is the next one's.

Other people's archives, which may be compressed and of any form, are for the standard library.
Source: POSIX.1-2017, pax; splice(2).
"""

from __future__ import annotations

import errno
import os
import tarfile
from collections.abc import Iterator

_BLOCK = tarfile.BLOCKSIZE
_CHUNK_BYTES = 1 << 20
_MAX_HEADER_BYTES = 1 << 20
_UNSPLICEABLE = (errno.EINVAL, errno.ENOSYS, errno.EBADF, errno.EOPNOTSUPP)


class PlainStream:
    """Members of a plain pax archive; iterate, and take each content before the next."""

    def __init__(self, descriptor: int) -> None:
        """Read from a descriptor, which stays the caller's."""
        self._source = descriptor
        self._splices = True
        self._left = 0

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Every member.  Raises tarfile.TarError, EOFError: it is none, or cut off."""
        more: dict[str, str] = {}
        while True:
            self._skip()
            block = self._exactly(_BLOCK)
            if block == bytes(_BLOCK):
                return
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if info.type == tarfile.XHDTYPE:
                more = self._extension(info.size)
                continue
            _apply(info, more)
            more = {}
            self._left = info.size + -info.size % _BLOCK if info.isreg() else 0
            yield info

    def copy(self, info: tarfile.TarInfo, out: int) -> int:
        """The content of the member at hand to a file; how many bytes."""
        left = info.size
        while left:
            moved = self._move(out, left)
            if not moved:
                raise EOFError("the archive is cut off")
            left -= moved
            self._left -= moved
        return info.size

    def content(self, info: tarfile.TarInfo) -> Iterator[bytes]:
        """The content of the member at hand, a part at a time."""
        left = info.size
        while left:
            data = os.read(self._source, min(left, _CHUNK_BYTES))
            if not data:
                raise EOFError("the archive is cut off")
            left -= len(data)
            self._left -= len(data)
            yield data

    def _move(self, out: int, most: int) -> int:
        if self._splices:
            try:
                return os.splice(self._source, out, min(most, _CHUNK_BYTES))
            except OSError as error:
                if error.errno not in _UNSPLICEABLE:
                    raise
                self._splices = False
        data = memoryview(os.read(self._source, min(most, _CHUNK_BYTES)))
        moved = len(data)
        while data:
            data = data[os.write(out, data) :]
        return moved

    def _skip(self) -> None:
        """What nobody took, and the end of the last block."""
        while self._left:
            self._left -= len(self._exactly(min(self._left, _CHUNK_BYTES)))

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            data = os.read(self._source, count - len(found))
            if not data:
                raise EOFError("the archive is cut off")
            found += data
        return bytes(found)

    def _extension(self, size: int) -> dict[str, str]:
        """ "LENGTH KEY=VALUE\\n" records."""
        if size > _MAX_HEADER_BYTES:
            raise tarfile.ReadError("a header is too long")
        data = self._exactly(size + -size % _BLOCK)[:size]
        found, at = {}, 0
        while at < len(data):
            digits = data[at : at + 12].partition(b" ")[0]
            end = at + int(digits)
            key, equals, value = data[at + len(digits) + 1 : end - 1].partition(b"=")
            if end <= at or end > len(data) or not equals:
                raise tarfile.ReadError("a header is malformed")
            found[_text(key)] = _text(value)
            at = end
        return found


def _apply(info: tarfile.TarInfo, more: dict[str, str]) -> None:
    info.pax_headers = more
    info.name = more.get("path", info.name)
    info.linkname = more.get("linkpath", info.linkname)
    info.size = int(more.get("size", info.size))
    info.uid, info.gid = int(more.get("uid", info.uid)), int(more.get("gid", info.gid))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
