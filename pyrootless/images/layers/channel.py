"""Bytes from the thread that fetches to the thread that unpacks, with a bound on what waits.

What comes in: chunks, an end or a failure.  What goes out: the same chunks, in order.
Must never: hold more than its limit and one chunk, leave either side waiting when the other is
gone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

LIMIT_BYTES = 4 << 20


class ChannelClosed(Exception):
    """Nobody reads any more."""


class Channel:
    """One writer, one reader."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._chunks: deque[bytes] = deque()
        self._held_bytes = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, chunk: bytes) -> None:
        """Hand on a chunk; waits while too much is held.

        Raises:
            ChannelClosed: Nobody reads any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._held_bytes < self._limit_bytes or self._closed)
            if self._closed:
                raise ChannelClosed
            self._chunks.append(chunk)
            self._held_bytes += len(chunk)
            self._changed.notify_all()

    def end(self, failure: BaseException | None = None) -> None:
        """No more chunks; with a failure, the reader gets it after what was put."""
        with self._changed:
            self._ended, self._failure = True, failure
            self._changed.notify_all()

    def close(self) -> None:
        """The reader stops; a waiting writer is let go."""
        with self._changed:
            self._closed = True
            self._chunks.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        """Chunks until the end.  Raises the failure that ended the writer."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._chunks or self._ended)
                if not self._chunks:
                    break
                chunk = self._chunks.popleft()
                self._held_bytes -= len(chunk)
                self._changed.notify_all()
            yield chunk
        if self._failure is not None:
            raise self._failure
