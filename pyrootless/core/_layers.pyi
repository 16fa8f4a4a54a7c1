"""Types of the extension module (see _layers.pyx)."""

import os
from typing import NamedTuple

from typing_extensions import Buffer

class Summary(NamedTuple):
    entries: int
    size_bytes: int
    owners: int
    devices: int
    capabilities: int
    xattrs_skipped: int
    replaced: int

def tree_bytes(directory: str | os.PathLike[str]) -> int: ...

class Unpacker:
    def __init__(self, directory_fd: int, *, max_entries: int, max_bytes: int) -> None: ...
    def feed(self, data: Buffer) -> None: ...
    def end(self) -> Summary: ...
    def seal(self) -> None: ...
    def finish(self) -> Summary: ...
