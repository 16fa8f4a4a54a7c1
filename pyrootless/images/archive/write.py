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
        """A small file; nothing when it was added before."""
        if not self.has(name):
            self.add_chunks(name, len(data), (data,))

    def add_directory(self, name: str) -> None:
        """A directory. Readers without root fail at files whose directory is not a member."""
        header = tarfile.TarInfo(f"{name}/")
        header.type, header.mode = tarfile.DIRTYPE, 0o755
        self._stream.write(header.tobuf(tarfile.PAX_FORMAT))

    def add_chunks(self, name: str, size_bytes: int, chunks: Iterable[bytes]) -> None:
        """A file of this size, whose name was not added before.

        Raises:
            IntegrityError: There are more or fewer bytes.
        """
        header = tarfile.TarInfo(name)
        header.size = left = size_bytes
        self._names.add(name)
        self._stream.write(header.tobuf(tarfile.PAX_FORMAT))
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
