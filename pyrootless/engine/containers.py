"""Containers as they lie on disk: list them, find one, remove one.

What comes in: the engine's directories (layout: ARCHITECTURE.md, "What stays on disk").
What goes out: `Container` values.
Must never: start a container; take a running entry's lock away from its monitor.

A container runs when its file RUNTIME/running/ID is locked; csrc/state_entry.c writes it as
"PID STARTTIME DIRECTORY FLAGS". Kept containers lie in DATA/containers/ID.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pyrootless.config import Directories
from pyrootless.errors import ContainerStateError, UsageError
from pyrootless.trees import remove_tree

MAX_CONFIG_BYTES = 4 * 1024 * 1024
KILL_WAIT_SECONDS = 10
_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ENTRY = re.compile(r"(\d{10}) (\d{20}) (/.*) (\S+)\n", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Container:
    """One container, running or kept.

    Attributes:
        id: 64 hex digits.
        name: "" when it has none.
        image: As it was asked for; "" when unknown.
        command: Program and arguments.
        state: Whether it runs now.
        pid: Its process 1 as the host sees it; 0 when it does not run.
        start_ticks: Start time of that process (proc_pid_stat(5), field 22); 0 when unknown.
        created_unix_ns: When its configuration was written; 0 when unknown.
        ended_by: "exit", "signal", "timeout", "killed"; "" while it runs or when unknown.
        exit_code: None when it did not return.
        signal: None when no signal ended it.
        directory: Where it lies.
    """

    id: str
    name: str
    image: str
    command: tuple[str, ...]
    state: Literal["running", "exited"]
    pid: int
    start_ticks: int
    created_unix_ns: int
    ended_by: str
    exit_code: int | None
    signal: int | None
    directory: Path


@dataclass(frozen=True, slots=True)
class _Entry:
    pid: int
    start_ticks: int
    directory: Path


def list_containers(directories: Directories) -> list[Container]:
    """Running and kept containers, the newest first."""
    running = dict(_running(directories))
    kept = {path.name: path for path in _directories_of(directories.data / "containers")}
    places = kept | {key: entry.directory for key, entry in running.items()}
    found = [_describe(key, place, running.get(key)) for key, place in places.items()]
    return sorted(found, key=lambda item: (-item.created_unix_ns, item.id))


def find_container(directories: Directories, wanted: str) -> Container:
    """The container with this name, id, or unambiguous begin of an id.

    Raises:
        UsageError: Nothing was written.
        ContainerStateError: There is none, or more than one.
    """
    if not wanted:
        raise UsageError("a container's name or id is missing")
    everything = list_containers(directories)
    named = [item for item in everything if wanted in (item.name, item.id)]
    fits = named or [item for item in everything if item.id.startswith(wanted)]
    if len(fits) == 1:
        return fits[0]
    problem = "is the begin of several ids" if fits else "is no container"
    raise ContainerStateError(f'"{wanted}" {problem}', remedy="see them: pyrootless ps -a")


def remove_container(directories: Directories, container: Container, *, force: bool) -> None:
    """Remove a kept container: its name first, its files last.

    Args:
        directories: The engine's directories.
        container: From `find_container`.
        force: Kill it when it runs.

    Raises:
        ContainerStateError: It runs, and force is False; or it does not end.
    """
    if container.state == "running":
        if not force:
            shown = container.name or container.id[:12]
            raise ContainerStateError(
                f"container {shown} is running",
                remedy=f"stop it first, or: pyrootless rm -f {shown}",
            )
        _kill(container)
    with _ended(directories.runtime / "running" / container.id):
        if container.name:
            _release_name(directories, container)
        _discard(directories, container)


def _running(directories: Directories) -> Iterator[tuple[str, _Entry]]:
    for path in _files_of(directories.runtime / "running"):
        entry = _read_entry(path)
        if entry is not None and _is_locked(path):
            yield path.name, entry


def _read_entry(path: Path) -> _Entry | None:
    """None for an entry that is being made (still empty) or is damaged."""
    try:
        match = _ENTRY.fullmatch(os.fsdecode(path.read_bytes()))
    except OSError:
        return None
    if match is None:
        return None
    return _Entry(int(match[1]), int(match[2]), Path(match[3]))


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _describe(key: str, place: Path, entry: _Entry | None) -> Container:
    config, status = _read_json(place / "config.json"), _read_json(place / "status.json")
    notes = _dict(config.get("annotations"))
    args = _dict(config.get("process")).get("args")
    ended = entry is None
    return Container(
        id=key,
        name=str(notes.get("io.pyrootless.name", "")),
        image=str(notes.get("io.pyrootless.image", "")),
        command=tuple(str(arg) for arg in args) if isinstance(args, list) else (),
        state="exited" if ended else "running",
        pid=entry.pid if entry else 0,
        start_ticks=entry.start_ticks if entry else 0,
        created_unix_ns=_modified_ns(place / "config.json"),
        ended_by=str(status.get("ended_by", "")) if ended else "",
        exit_code=_positive(status.get("exit_code"), 0) if ended else None,
        signal=_positive(status.get("signal"), 1) if ended else None,
        directory=place,
    )


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; {} when there is none (a container that is being made or removed)."""
    try:
        with path.open("rb") as stream:
            return _dict(json.loads(stream.read(MAX_CONFIG_BYTES)))
    except (OSError, ValueError, RecursionError):
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _positive(value: object, least: int) -> int | None:
    return value if isinstance(value, int) and value >= least else None


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _directories_of(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if _ID.fullmatch(path.name)]
    except OSError:
        return []


def _files_of(parent: Path) -> list[Path]:
    return _directories_of(parent)


def _kill(container: Container) -> None:
    """SIGKILL process 1 by descriptor, after its start time shows that it is still the same."""
    if container.pid <= 0:
        return
    try:
        descriptor = os.pidfd_open(container.pid)
    except ProcessLookupError:
        return
    try:
        if container.start_ticks and start_ticks(container.pid) != container.start_ticks:
            return
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        if not select.select([descriptor], [], [], KILL_WAIT_SECONDS)[0]:
            raise ContainerStateError(
                f"container {container.id[:12]} did not end on SIGKILL",
                remedy=f"see what it waits for: cat /proc/{container.pid}/stack",
            )
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def start_ticks(pid: int) -> int:
    """Birth of a process in clock ticks since boot; 0: there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])


class _ended:
    """Hold a running entry's lock: its monitor is gone, and no sweep works on it meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)


def _release_name(directories: Directories, container: Container) -> None:
    """Remove the name, unless it was taken by another; under the lock of all names."""
    names = directories.data / "names"
    descriptor = os.open(names, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        link = names / container.name
        if link.is_symlink() and link.readlink().name == container.id:
            link.unlink()
    finally:
        os.close(descriptor)


def _discard(directories: Directories, container: Container) -> None:
    """Out of sight by one rename, then away; what resists even then is swept later."""
    _discard_scratch(directories.data / "containers" / container.id)
    trash = directories.data / "trash"
    trash.mkdir(mode=0o700, exist_ok=True)
    grave = trash / container.id
    try:
        (directories.data / "containers" / container.id).rename(grave)
    except FileNotFoundError:
        return  # its monitor or a sweep was first
    remove_tree(grave)


def _discard_scratch(container: Path) -> None:
    """What the link `upper` leads to: writes the store could not take (state_scratch.c)."""
    upper = container / "upper"
    if not upper.is_symlink():
        return
    scratch = upper.readlink().parent
    if scratch.is_absolute() and scratch.name == container.name:
        remove_tree(scratch)
