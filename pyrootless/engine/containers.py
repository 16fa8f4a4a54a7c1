"""Containers as they lie on disk: list them, find one, remove one.

What comes in: the engine's directories (layout: docs/reference/disk.md).
What goes out: `Container` values.
Must never: open a file of the runtime directory: its entries, locks and names are the C core's
(csrc/state_list.c, state_discard.c).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pyrootless import _core
from pyrootless.config import Directories
from pyrootless.errors import ContainerStateError, UsageError

MAX_CONFIG_BYTES = 4 * 1024 * 1024


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
        ended_unix_ns: When it ended; 0 while it runs or when unknown.
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
    ended_unix_ns: int = 0


def list_containers(directories: Directories) -> list[Container]:
    """Running and kept containers, the newest first.

    Raises:
        StoreError: The runtime directory is another user's.
    """
    rows = _core.list_states(str(directories.data), str(directories.runtime))
    found = [_describe(*row) for row in rows]
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
    """Remove a container: its processes, control groups, names and files.

    Args:
        directories: The engine's directories.
        container: From `find_container`.
        force: Kill it when it runs.

    Raises:
        ContainerStateError: It runs, and force is False; or it does not end.
        StoreError: Something of it cannot be removed.
    """
    if container.state == "running" and not force:
        shown = container.name or container.id[:12]
        raise ContainerStateError(
            f"container {shown} is running",
            remedy=f"stop it first, or: pyrootless rm -f {shown}",
        )
    places = str(directories.data), str(directories.runtime)
    _core.remove_state(*places, container.id, force)


def read_annotations(container: Container) -> dict[str, Any]:
    """The annotations of its config.json; {} when there is none."""
    return _dict(_read_json(container.directory / "config.json").get("annotations"))


def _describe(key: str, directory: str, pid: int, ticks: int, running: bool) -> Container:
    place = Path(directory)
    config, status = _read_json(place / "config.json"), _read_json(place / "status.json")
    notes = _dict(config.get("annotations"))
    args = _dict(config.get("process")).get("args")
    return Container(
        id=key,
        name=str(notes.get("io.pyrootless.name", "")),
        image=str(notes.get("io.pyrootless.image", "")),
        command=tuple(str(arg) for arg in args) if isinstance(args, list) else (),
        state="running" if running else "exited",
        pid=pid,
        start_ticks=ticks,
        created_unix_ns=_modified_ns(place / "config.json"),
        ended_by="" if running else str(status.get("ended_by", "")),
        exit_code=None if running else _positive(status.get("exit_code"), 0),
        signal=None if running else _positive(status.get("signal"), 1),
        directory=place,
        ended_unix_ns=0 if running else _positive(status.get("finished_unix_ns"), 0) or 0,
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
