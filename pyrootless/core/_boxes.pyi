from collections.abc import Callable
from typing import Any, TypeVar

from pyrootless.sandbox.files import OpenFile

CLOCKS: tuple[str, ...]
ZYGOTE_MODULE: bytes

_T = TypeVar("_T")

class Host:
    def __init__(self, groups: bool = ..., clock: bool = ...) -> None: ...

class Files:
    def __init__(self, rows: list[tuple[str, bytes | OpenFile | None, int]]) -> None: ...

def run(
    host: Host,
    config: bytes,
    stdio: tuple[int, int, int],
    files: Files,
    limits: dict[str, int],
    collect: Callable[[int], _T] | None,
    left: bool = ...,
    pair: Pair | None = None,
    side: int = 0,
) -> tuple[dict[str, Any], _T | None]: ...

class Pair:
    def ask(self) -> bool: ...
    def leave(self, side: int) -> None: ...

class Zygote:
    def __init__(self, config: bytes, files: Files, log: int, wait_ms: int) -> None: ...
    @property
    def pidfd(self) -> int: ...

class Held:
    def __init__(
        self, host: Host, config: bytes, files: Files, zygote: Zygote | None = ...
    ) -> None: ...
    @property
    def pidfd(self) -> int: ...
    def run(
        self,
        program: tuple[tuple[str, ...], tuple[str, ...]],
        stdio: tuple[int, int, int],
        files: Files,
        limits: dict[str, int],
        collect: Callable[[int], _T] | None,
    ) -> tuple[dict[str, Any], _T | None]: ...
    def close(self) -> None: ...
