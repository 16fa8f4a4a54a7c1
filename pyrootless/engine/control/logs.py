"""What a container in the background has written, and goes on to write.

What comes in: a container that `run -d` started.  What goes out: the bytes of its log.
Must never: hold the log in memory, wait for what has ended, lose what it wrote last.
"""

from __future__ import annotations

import ctypes
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.engine import Container, find_container
from pyrootless.errors import ContainerStateError, StoreError

_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 16
_IN_MODIFY = 0x2
_LOOK_SECONDS = 0.2
"""Without inotify (its instances are few): so often the log is looked at."""
_SETTLE_SECONDS = 10.0
_SETTLE_LOOK_SECONDS = 0.01
"""After the end of process 1 the monitor writes what it has read from a terminal."""

Sink = Callable[[bytes], object]


def read_log(
    directories: Directories,
    container: Container,
    sink: Sink,
    *,
    tail: int | None = None,
    follow: bool = False,
) -> None:
    """Hand the log of a container on, piece by piece.

    Args:
        directories: The engine's directories.
        container: From `find_container`.
        sink: Takes each piece.
        tail: So many lines from its end; None: all.
        follow: Go on until the container has ended.

    Raises:
        ContainerStateError: It has no log.
        StoreError: The log cannot be read.
    """
    try:
        descriptor = _containers.open_log(str(container.directory))
    except FileNotFoundError:
        shown = container.name or container.id[:12]
        raise ContainerStateError(
            f"container {shown} has no log: it was started in the foreground",
            remedy="start it in the background: pyrootless run -d IMAGE",
        ) from None
    except OSError as error:
        shown = container.name or container.id[:12]
        raise StoreError(f"cannot read the log of {shown}: {error.strerror}") from error
    try:
        if tail is not None:
            os.lseek(descriptor, _tail_offset(descriptor, tail), os.SEEK_SET)
        if follow and container.state == "running":
            _follow(directories, container, descriptor, sink)
        _pass_on(descriptor, sink)
    finally:
        os.close(descriptor)


def _pass_on(descriptor: int, sink: Sink) -> None:
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        sink(chunk)


def _tail_offset(descriptor: int, lines: int) -> int:
    """Where the last lines begin; an unfinished last line counts as one."""
    end = at = os.fstat(descriptor).st_size
    if lines == 0:
        return end
    missing = lines
    while at > 0:
        start = max(0, at - _BLOCK_BYTES)
        block = os.pread(descriptor, at - start, start)
        if at == end and block.endswith(b"\n"):
            missing += 1
        found = len(block)
        while missing and (found := block.rfind(b"\n", 0, found)) >= 0:
            missing -= 1
        if not missing:
            return start + found + 1
        at = start
    return 0


def _follow(
    directories: Directories, container: Container, descriptor: int, sink: Sink
) -> None:
    """Until process 1 has ended and its monitor has written the rest."""
    process = _containers.hold_process(container.pid, container.start_ticks)
    watch = _watch(f"/proc/self/fd/{descriptor}")
    try:
        while process >= 0:
            _pass_on(descriptor, sink)
            ready, _, _ = select.select(
                [process, *watch], [], [], None if watch else _LOOK_SECONDS
            )
            if process in ready:
                break
            for noted in watch:
                os.read(noted, _BLOCK_BYTES)
    finally:
        for open_one in (*watch, process):
            with suppress(OSError):
                os.close(open_one)
    _settle(directories, container, descriptor, sink)


def _settle(
    directories: Directories, container: Container, descriptor: int, sink: Sink
) -> None:
    """Until nobody writes any more: the container's monitor is gone."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        try:
            if find_container(directories, container.id).state != "running":
                return
        except ContainerStateError:  # removed
            return
        _pass_on(descriptor, sink)
        time.sleep(_SETTLE_LOOK_SECONDS)


def _watch(path: str) -> list[int]:
    """[a descriptor that is readable when a file was written to]; []: there can be none."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0:
        return []
    real = os.fsencode(Path(path))
    if libc.inotify_add_watch(descriptor, real, _IN_MODIFY) < 0:
        os.close(descriptor)
        return []
    return [descriptor]
