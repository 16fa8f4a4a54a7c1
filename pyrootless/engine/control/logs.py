"""What a container in the background has written, and goes on to write.

What comes in: a container that `run -d` started.  What goes out: pieces of its two streams.
Must never: hold the log in memory, wait for what has ended, lose what it wrote last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.engine import Container

Sink = Callable[[bytes], object]

_ALWAYS_NS = -(2**63)
_NEVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What of a log is wanted.

    Attributes:
        since_ns: Only lines from this time on, since 1970; None: from the first one.
        until_ns: Only lines up to this time; None: to the last one.
        tail: So many lines from its end; None: all.
        timestamps: The time of each line in front of it.
        details: The attributes of each line in front of it.
        stdout, stderr: Which streams.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    tail: int | None = None
    timestamps: bool = False
    details: bool = False
    stdout: bool = True
    stderr: bool = True


def log_pieces(
    directories: Directories,
    container: Container,
    query: LogQuery | None = None,
    *,
    follow: bool = False,
) -> Iterator[tuple[int, bytes]]:
    """(1 or 2, bytes of that stream), in the order in which they were written.

    Args:
        directories: The engine's directories.
        container: From `find_container`.
        query: What is wanted; None: all.
        follow: Go on until the container has ended.

    Raises:
        ContainerStateError: It has no log.
        StoreError: The log cannot be read.
    """
    wanted = query or LogQuery()
    log = _containers.Log(
        str(directories.data),
        str(directories.runtime),
        (container.id, container.name, str(container.directory), container.state == "running"),
        follow,
        {
            "since_ns": _ALWAYS_NS if wanted.since_ns is None else wanted.since_ns,
            "until_ns": _NEVER_NS if wanted.until_ns is None else wanted.until_ns,
            "tail": -1 if wanted.tail is None else wanted.tail,
            "timestamps": wanted.timestamps,
            "details": wanted.details,
            "out": wanted.stdout,
            "err": wanted.stderr,
        },
    )
    try:
        while piece := log.next():
            yield piece
    finally:
        log.close()


def read_log(
    directories: Directories,
    container: Container,
    sink: Sink,
    *,
    tail: int | None = None,
    follow: bool = False,
) -> None:
    """Hand the log of a container on, piece by piece, both streams as one.

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
    for _, piece in log_pieces(directories, container, LogQuery(tail=tail), follow=follow):
        sink(piece)
