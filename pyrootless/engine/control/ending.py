"""Ending a running container from outside: signals, and the stop that waits.

What comes in: a `Container` of containers.py.  What goes out: it got a signal, or has ended.
Must never: signal a process that only has the number of a container's; wait for a signal which
the kernel drops because it is for process 1 of a namespace.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.engine import Container, read_config
from pyrootless.engine.control.pidfd import ended_within
from pyrootless.engine.watching import container_event
from pyrootless.errors import ContainerStateError, UsageError

DEFAULT_STOP_SECONDS = 10
KILL_WAIT_SECONDS = 10
RECORD_WAIT_SECONDS = 1.0
RECORD_LOOK_SECONDS = 0.002
_NOTE = "io.pyrootless."


def signal_number(text: str) -> int:
    """TERM, SIGTERM or 15.  Raises UsageError."""
    name = text.upper().removeprefix("SIG")
    if name.isascii() and name.isdigit() and 1 <= int(name) < signal.NSIG:
        return int(name)
    try:
        return int(signal.Signals[f"SIG{name}"])
    except KeyError:
        raise UsageError(f"there is no signal {text!r}; see them: kill -l") from None


def send_signal(directories: Directories, container: Container, number: int) -> None:
    """A signal to process 1.

    Args:
        directories: The engine's: it is written down there.
        container: From `find_container`.
        number: The signal's.

    Raises:
        ContainerStateError: it does not run.
    """
    with held(container) as descriptor:
        signal.pidfd_send_signal(descriptor, number)
        container_event(directories, container, "kill", signal=str(number))


def stop_container(directories: Directories, container: Container, seconds: int | None) -> None:
    """The container's stop signal; after so many seconds the end.

    Args:
        directories: The engine's: it is written down there.
        container: From `find_container`.
        seconds: -1: wait for ever; None: as the container was started with.

    Raises:
        ContainerStateError: it does not run, or SIGKILL does not end it.
    """
    number, usual = _wishes(container)
    wait = usual if seconds is None else seconds
    with held(container) as descriptor:
        container_event(directories, container, "kill", signal=str(number))
        delivered = _containers.signal_first(container.pid, descriptor, number)
        if delivered and ended_within(descriptor, None if wait < 0 else wait):
            _tell_stopped(directories, container)
            return
        container_event(directories, container, "kill", signal=str(int(signal.SIGKILL)))
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        if not ended_within(descriptor, KILL_WAIT_SECONDS):
            raise ContainerStateError(
                f"container {container.id[:12]} did not end on SIGKILL",
                remedy=f"see what it waits for: cat /proc/{container.pid}/stack",
            )
        _tell_stopped(directories, container)


def _tell_stopped(directories: Directories, container: Container) -> None:
    """After its monitor has told that it died, unless that has output to carry first."""
    places = str(directories.data), str(directories.runtime)
    deadline = time.monotonic() + RECORD_WAIT_SECONDS
    with suppress(ContainerStateError):  # it is removed
        while (
            _containers.look_up_state(*places, container.id)[-1] and time.monotonic() < deadline
        ):
            time.sleep(RECORD_LOOK_SECONDS)
    container_event(directories, container, "stop")


def _wishes(container: Container) -> tuple[int, int]:
    """(stop signal, seconds) of config.json."""
    try:
        notes = read_config(container.directory)["annotations"]
        number = int(notes.get(f"{_NOTE}stop-signal", signal.SIGTERM))
        return number, int(notes.get(f"{_NOTE}stop-timeout", DEFAULT_STOP_SECONDS))
    except (AttributeError, ValueError, KeyError):
        return signal.SIGTERM, DEFAULT_STOP_SECONDS


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
