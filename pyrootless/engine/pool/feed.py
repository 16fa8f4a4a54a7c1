"""What a program is given to read: bytes behind a descriptor.

What comes in: bytes. What goes out: a descriptor to lend, and what is left to be carried to it.
Must never: wait for a reader.
"""

from __future__ import annotations

import os
from typing import Self

_PIPE_BYTES = 65536


class Feed:
    """What a program reads from its standard input: a pipe that holds all of it, or is fed."""

    def __init__(self, data: bytes | None) -> None:
        self.lent = self._source = self._writer = -1
        if not data:
            return
        self.lent, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        sent = os.write(self._writer, memoryview(data)[:_PIPE_BYTES])
        if sent < len(data):
            self._source = os.memfd_create("input", os.MFD_CLOEXEC)
            _write_all(self._source, memoryview(data)[sent:])
            os.lseek(self._source, 0, os.SEEK_SET)
        else:
            os.close(self._writer)
            self._writer = -1

    def close_lent(self) -> None:
        """The program has its own by now."""
        if self.lent >= 0:
            os.close(self.lent)
        self.lent = -1

    def hand_over(self) -> tuple[int, int]:
        """What is left to carry, from and to; `to` is somebody else's to close."""
        writer, self._writer = self._writer, -1
        return self._source, writer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close_lent()
        for fd in (self._source, self._writer):
            if fd >= 0:
                os.close(fd)


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
