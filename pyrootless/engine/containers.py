"""Containers as they lie on disk: list them, find one, remove one.

What comes in: the engine's directories (layout: docs/reference/disk.md).
What goes out: `Container` values.
Must never: open a file of a container's or of the runtime directory: they are the C core's
(csrc/container/state/list.c, container/state/find.c, container/state/text.c,
container/state/removal/discard.c).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pyrootless.config import Directories
from pyrootless.core import _containers
from pyrootless.errors import UsageError

if TYPE_CHECKING:
    from pyrootless.core._containers import Row


State = Literal["created", "running", "paused", "restarting", "exited"]
_LABEL = "io.pyrootless.label."


@dataclass(frozen=True, slots=True)
class Container:
    """One container, running or kept.

    Attributes:
        id: 64 hex digits.
        name: "" when it has none.
        image: As it was asked for; "" when unknown.
        command: Program and arguments.
        state: As docker calls it.
        pid: Its process 1 as the host sees it; 0 when it does not run.
        start_ticks: Start time of that process (proc_pid_stat(5), field 22); 0 when unknown.
        created_unix_ns: When its configuration was written; 0 when unknown.
        ended_by: "exit", "signal", "timeout", "killed", "failed" (it never began); "" while it
            runs or when unknown.
        exit_code: None when it did not return.
        signal: None when no signal ended it.
        directory: Where it lies.
        ended_unix_ns: When it ended; 0 while it runs or when unknown.
        started_unix_ns: When it began; 0 when it never did or when unknown.
        restarts: How often its monitor started it again since it was started.
        error: Why its last start failed; "" when it did not.
        health: "starting", "healthy", "unhealthy"; "" while nothing checks it.
    """

    id: str
    name: str
    image: str
    command: tuple[str, ...]
    state: State
    pid: int
    start_ticks: int
    created_unix_ns: int
    ended_by: str
    exit_code: int | None
    signal: int | None
    directory: Path
    ended_unix_ns: int = 0
    health: str = ""
    started_unix_ns: int = 0
    restarts: int = 0
    error: str = ""

    @property
    def has_processes(self) -> bool:
        """Whether it runs, paused or not."""
        return self.state in ("running", "paused")

    @property
    def has_monitor(self) -> bool:
        """Whether somebody waits for its end: it runs, or is to be started again."""
        return self.has_processes or self.state == "restarting"


@dataclass(frozen=True, slots=True)
class Found:
    """One container, and nothing of what it says of itself.

    Attributes:
        id, name, directory, created_unix_ns, pid, start_ticks: As of `Container`.
        state, started_unix_ns, restarts: As of `Container`; 0 when it does not run.
        running: Whether its monitor lives.
    """

    id: str
    name: str
    directory: Path
    created_unix_ns: int
    pid: int
    start_ticks: int
    running: bool
    state: State
    started_unix_ns: int = 0
    restarts: int = 0


def list_found(directories: Directories, *, kept: bool = True) -> list[Found]:
    """Running and, when `kept`, stopped ones, the newest first; no file of theirs is read.

    Raises:
        StoreError: The runtime directory is another user's.
    """
    rows = _containers.list_states(str(directories.data), str(directories.runtime), kept)
    found = [_found(row) for row in rows]
    return sorted(found, key=lambda item: (-item.created_unix_ns, item.id))


def list_containers(directories: Directories, *, kept: bool = True) -> list[Container]:
    """The same with what each says of itself: its configuration is read, and how it ended.

    Raises:
        StoreError: The runtime directory is another user's.
    """
    return [describe(item) for item in list_found(directories, kept=kept)]


def find_container(directories: Directories, wanted: str) -> Container:
    """The container with this name, id, or unambiguous begin of an id.

    Raises:
        UsageError: Nothing was written.
        ContainerStateError: There is none, or more than one.
    """
    if not wanted:
        raise UsageError("a container's name or id is missing")
    places = str(directories.data), str(directories.runtime)
    return describe(_found(_containers.look_up_state(*places, wanted)))


def remove_container(
    directories: Directories, container: Container | Found, *, force: bool
) -> None:
    """Remove a container: its processes, control groups, names and files.

    Args:
        directories: The engine's directories.
        container: From `find_container` or `list_found`.
        force: Kill it when it runs.

    Raises:
        ContainerStateError: It runs, and force is False; or it does not end.
        StoreError: Something of it cannot be removed.
    """
    remove_named(directories, container.id, force=force)


def remove_named(
    directories: Directories, wanted: str, *, force: bool, volumes: bool = False
) -> None:
    """The same by name, id or the begin of one; one that never began goes likewise.

    Args:
        directories, force: As of `remove_container`.
        wanted: The container.
        volumes: The volumes that nobody named and no other container has go with it.

    Raises:
        UsageError: Nothing was written.
        ContainerStateError: As of `remove_container`; or there is none, or more than one.
        StoreError: As of `remove_container`.
    """
    if not wanted:
        raise UsageError("a container's name or id is missing")
    places = str(directories.data), str(directories.runtime)
    _containers.remove_state(*places, wanted, force, volumes)


def labels(container: Container) -> dict[str, str]:
    """Its labels, sorted by name."""
    notes = read_annotations(container)
    own = {k.removeprefix(_LABEL): str(v) for k, v in notes.items() if k.startswith(_LABEL)}
    return dict(sorted(own.items()))


def event_attributes(container: Container) -> dict[str, str]:
    """What the events of a container say of it: image, name, labels."""
    return {**labels(container), "image": container.image, "name": container.name}


def describe(item: Found) -> Container:
    """What it says of itself; what is missing or damaged is "" or None."""
    running = item.state in ("running", "paused")
    config = read_config(item.directory)
    status = {} if running else read_status(item.directory)
    notes = _dict(config.get("annotations"))
    args = _dict(config.get("process")).get("args")
    return Container(
        id=item.id,
        name=item.name,
        image=str(notes.get("io.pyrootless.image", "")),
        command=tuple(str(arg) for arg in args) if isinstance(args, list) else (),
        state=item.state,
        pid=item.pid,
        start_ticks=item.start_ticks,
        created_unix_ns=item.created_unix_ns,
        ended_by="" if running else str(status.get("ended_by", "")),
        exit_code=None if running else _positive(status.get("exit_code"), 0),
        signal=None if running else _positive(status.get("signal"), 1),
        directory=item.directory,
        ended_unix_ns=0 if running else _positive(status.get("finished_unix_ns"), 0) or 0,
        health=str(read_health(item.directory).get("Status", ""))
        if running and "io.pyrootless.health.test" in notes
        else "",
        started_unix_ns=item.started_unix_ns
        if running
        else _positive(status.get("started_unix_ns"), 0) or 0,
        restarts=item.restarts if item.running else _positive(status.get("restarts"), 0) or 0,
        error="" if running else str(status.get("error", "")),
    )


def read_annotations(container: Container) -> dict[str, Any]:
    """The annotations of its config.json; {} when there is none."""
    return _dict(read_config(container.directory).get("annotations"))


def read_config(directory: Path) -> dict[str, Any]:
    """A container's configuration; {} when there is none (it is being made or removed)."""
    return _read_json(directory, status=False)


def read_status(directory: Path) -> dict[str, Any]:
    """How a container ended; {} while it runs."""
    return _read_json(directory, status=True)


def read_health(directory: Path) -> dict[str, Any]:
    """The last checks of a container's health, in docker's form; {} when nothing checks it."""
    try:
        return _dict(json.loads(_containers.read_health(str(directory))))
    except (OSError, ValueError, RecursionError):
        return {}


def _found(row: Row) -> Found:
    key, name, directory, created_ns, pid, ticks, running, life, started_ns, restarts = row
    place, state = Path(directory), cast("State", life)
    return Found(key, name, place, created_ns, pid, ticks, running, state, started_ns, restarts)


def _read_json(directory: Path, *, status: bool) -> dict[str, Any]:
    try:
        return _dict(json.loads(_containers.read_state(str(directory), status)))
    except (OSError, ValueError, RecursionError):
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _positive(value: object, least: int) -> int | None:
    return value if isinstance(value, int) and value >= least else None
