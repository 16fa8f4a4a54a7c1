"""A tar archive, written member by member to a file or pipe.

What comes in: names and contents.  What goes out: the archive; equal contents, equal bytes.
Must never: write a time, a user or anything else of this machine.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from typing import BinaryIO

from pyrootless.errors import IntegrityError


class TarWriter:
    """Members in the order they are added, each name once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._names: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether a member of this name was added."""
        return name in self._names

    def add(self, name: str, data: bytes) -> None:
        """A small file."""
        if self._begin(name, len(data)):
            self._stream.write(data)
            self._stream.write(bytes(-len(data) % tarfile.BLOCKSIZE))

    def add_chunks(self, name: str, size_bytes: int, chunks: Iterable[bytes]) -> None:
        """A file of this size, whose name was not added before.

        Raises:
            IntegrityError: There are more or fewer bytes.
        """
        self._begin(name, size_bytes)
        left = size_bytes
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            self._stream.write(chunk)
        if left:
            raise IntegrityError(f"{name} has not the {size_bytes} bytes it should have")
        self._stream.write(bytes(-size_bytes % tarfile.BLOCKSIZE))

    def finish(self) -> None:
        """The mark of the end: two empty blocks."""
        self._stream.write(bytes(2 * tarfile.BLOCKSIZE))
        self._stream.flush()

    def _begin(self, name: str, size_bytes: int) -> bool:
        """Write a member's header; False: the name was added before."""
        if name in self._names:
            return False
        self._names.add(name)
        header = tarfile.TarInfo(name)
        header.size = size_bytes
        self._stream.write(header.tobuf(tarfile.PAX_FORMAT))
        return True
