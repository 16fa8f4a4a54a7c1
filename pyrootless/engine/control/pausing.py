"""A container that stands still while its files are read.

What comes in: a running container.  What goes out: all its processes stopped, and going on.
Must never: wake a process that was stopped before; leave one stopped when the context ends.

SIGSTOP cannot be caught or blocked. New processes may be born while the others are stopped: the
round is repeated until it finds nobody.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyrootless.engine import Container
from pyrootless.engine.control.ending import held
from pyrootless.engine.control.processes import container_pids
from pyrootless.errors import ContainerStateError

_MAX_ROUNDS = 1000
_STOPPED = ("T", "t", "Z", "X")


@contextmanager
def paused(container: Container) -> Iterator[None]:
    """Stop a container's processes for as long as this context lasts; none when it is stopped.

    Raises:
        ContainerStateError: New processes came faster than they could be stopped.
    """
    stopped: dict[int, int] = {}
    try:
        if container.state == "running":
            with suppress(ContainerStateError), held(container):  # it may end meanwhile
                _stop_all(container, stopped)
        yield
    finally:
        for descriptor in stopped.values():
            with suppress(OSError):
                signal.pidfd_send_signal(descriptor, signal.SIGCONT)
            os.close(descriptor)


def _stop_all(container: Container, stopped: dict[int, int]) -> None:
    for _ in range(_MAX_ROUNDS):
        fresh = [pid for pid in container_pids(container.pid) if _runs(pid)]
        fresh = [pid for pid in fresh if pid not in stopped]
        if not fresh:
            return
        for pid in fresh:
            _stop(pid, stopped)
    raise ContainerStateError(
        f"container {container.name or container.id[:12]} starts processes faster than they "
        "can be stopped",
        remedy="commit it as it runs: --pause=false",
    )


def _stop(pid: int, stopped: dict[int, int]) -> None:
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGSTOP)
        except OSError:
            os.close(descriptor)
            raise
        stopped[pid] = descriptor


def _runs(pid: int) -> bool:
    """proc_pid_stat(5), field 3, after the name in brackets."""
    with suppress(OSError, IndexError):
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in _STOPPED
        )
    return False
