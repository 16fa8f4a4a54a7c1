"""Ending a running container from outside: signals, and the stop that waits.

What comes in: a container's name.  What goes out: it got a signal, or has ended.
Must never: signal a process that only has the number of a container's; wait for a signal which
the kernel drops because it is for process 1 of a namespace.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.engine import Container
from pyrootless.errors import ContainerStateError, UsageError

_OWN = -2
"""Seconds: as the container was started with (csrc/container/stop.h)."""


def signal_number(text: str) -> int:
    """TERM, SIGTERM or 15.  Raises UsageError."""
    name = text.upper().removeprefix("SIG")
    if name.isascii() and name.isdigit() and 1 <= int(name) < signal.NSIG:
        return int(name)
    try:
        return int(signal.Signals[f"SIG{name}"])
    except KeyError:
        raise UsageError(f"there is no signal {text!r}; see them: kill -l") from None


def kill_container(directories: Directories, wanted: str, number: int) -> None:
    """A signal to the first process of a container, by name, id or the begin of one.

    SIGKILL, and the signal that stops it, end its restart policy too, until it is started.

    Args:
        directories: The engine's: it is written down there.
        container: From `find_container`.
        number: The signal's.

    Raises:
        ContainerStateError: There is none, or it does not run.
    """
    places = str(directories.data), str(directories.runtime)
    _containers.kill_state(*places, _named(wanted), number)


def stop_container(
    directories: Directories, wanted: str, seconds: int | None = None, number: int = 0
) -> None:
    """The container's stop signal; after so many seconds the end. One that has ended is fine.

    Args:
        directories: The engine's.
        wanted: Its name, id, or the begin of its id.
        seconds: -1: wait for ever; None: as the container was started with.
        number: The signal that asks; 0: as the container was started with.

    Raises:
        ContainerStateError: There is none, or SIGKILL does not end it.
    """
    places = str(directories.data), str(directories.runtime)
    own = _OWN if seconds is None else max(seconds, -1)
    _containers.stop_state(*places, _named(wanted), number, own)


def _named(wanted: str) -> str:
    if not wanted:
        raise UsageError("a container's name or id is missing")
    return wanted


@contextmanager
def held(container: Container) -> Iterator[int]:
    """A descriptor of process 1, which the kernel says is the container's.

    What is done with it ends quietly when the container ends meanwhile.

    Raises:
        ContainerStateError: it does not run.
    """
    descriptor = _containers.hold_process(container.pid, container.start_ticks)
    if descriptor < 0:
        shown = container.name or container.id[:12]
        raise ContainerStateError(
            f"container {shown} is not running", remedy="see which are: pyrootless ps"
        )
    try:
        yield descriptor
    except ProcessLookupError:
        return  # it ended meanwhile
    finally:
        os.close(descriptor)
