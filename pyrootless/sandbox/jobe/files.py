"""Files that a Jobe client puts beside its runs, by name of its choice: a cache.

What comes in: ids and bytes. What goes out: bytes. What is oldest goes when there is too much.
Must never: make a path of anything but letters and digits.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pyrootless.config import find_directories

CACHE_BYTES = 1 << 30
_ID = re.compile(r"[A-Za-z0-9]{8,128}", re.ASCII)


class FileCache:
    """Files of one store.

    Args:
        folder: Where they lie; None: cache/jobe in the store.
        most_bytes: All of them together.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder or find_directories().make().cache / "jobe"
        self._most_bytes = most_bytes

    @staticmethod
    def is_id(text: str) -> bool:
        """It can name a file."""
        return _ID.fullmatch(text) is not None

    def has(self, name: str) -> bool:
        """It is here."""
        return self.is_id(name) and (self._folder / name).is_file()

    def get(self, name: str) -> bytes | None:
        """Its bytes; None when it is not here."""
        if not self.is_id(name):
            return None
        try:
            data = (self._folder / name).read_bytes()
            os.utime(self._folder / name)
        except FileNotFoundError:
            return None
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep it, whole or not at all; the least recently used make room."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._make_room(len(data))
        temporary = self._folder / f".{os.getpid()}-{name}"
        temporary.write_bytes(data)
        temporary.rename(self._folder / name)

    def _make_room(self, size: int) -> None:
        rows = sorted(
            (facts.st_mtime_ns, facts.st_size, path)
            for path in self._folder.iterdir()
            for facts in [path.stat()]
        )
        left = self._most_bytes - size - sum(row[1] for row in rows)
        for _, freed, path in rows:
            if left >= 0:
                return
            path.unlink(missing_ok=True)
            left += freed
