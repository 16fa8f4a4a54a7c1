"""The processes of a running container, as the host's ps shows them.

What comes in: a running container, options of ps(1).
What goes out: `ProcessList`: the titles of ps and a row of cells for each process.
Must never: show a process of anybody else; take a word for ps that lets it lie about the ids.

Source: Docker Engine API 1.45, ContainerTop; ioctl_ns(2).
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyrootless.engine import Container
from pyrootless.engine.control.ending import held
from pyrootless.errors import HostUnsupportedError, UsageError

DEFAULT_OPTIONS = ("-ef",)
PS_SECONDS = 20
_NS_GET_PARENT = 0xB702
_MAX_DEPTH = 33
"""User and process id namespaces nest 32 deep (namespaces(7))."""
_RENAMED = re.compile(r"(\S*)=\s*PID\S*")
"""A column that would be called PID and is another (`-o user=PID`)."""


@dataclass(frozen=True, slots=True)
class ProcessList:
    """What ps says.

    Attributes:
        titles: Names of the columns.
        rows: As many cells a process as there are titles; the last holds the rest of the line.
    """

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def list_processes(
    container: Container, options: Sequence[str] = DEFAULT_OPTIONS
) -> ProcessList:
    """The processes of a container and of what it started.

    Args:
        container: From `find_container`.
        options: Of ps(1); they must leave the column PID.

    Raises:
        ContainerStateError: It does not run.
        UsageError: ps refuses the options, or shows no process ids.
        HostUnsupportedError: There is no ps.
    """
    for match in _RENAMED.finditer(" ".join(options)):
        if match[1] not in ("pid", "-opid"):
            raise UsageError(f'specifying "{match[0]}" is not allowed: PID is the process id')
    members = {container.pid}
    with held(container):  # it is the container's as long as its descriptor is held
        members |= container_pids(container.pid)
        text = _run_ps([*options, f"-q{','.join(map(str, sorted(members)))}"])
    if text is None:  # some options do not go with -q: all processes, then
        text = _run_ps(list(options), final=True)
    return parse_ps(text or "", members)


def container_pids(first: int) -> set[int]:
    """The processes in a process's pid namespace and in those below it, as the host's numbers.

    Args:
        first: A container's process 1.
    """
    try:
        wanted = Path(f"/proc/{first}/ns/pid").stat().st_ino
    except OSError:
        return set()
    pids = [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]
    return {pid for pid in pids if _is_below(pid, wanted)}


def parse_ps(text: str, members: set[int]) -> ProcessList:
    """The rows of these processes.

    Raises:
        UsageError: There is no column PID, or no numbers in it.
    """
    lines = text.splitlines()
    titles = tuple(lines[0].split()) if lines else ()
    if "PID" not in titles:
        raise UsageError("ps shows no PID with these options", remedy="add it: -o pid,…")
    column, rows, inside = titles.index("PID"), [], False
    for line in filter(None, lines[1:]):
        cells = line.split(None, len(titles) - 1)
        shown = cells[column] if len(cells) > column else ""
        if shown != "-":  # a thread, of the process above it
            if not (shown.isascii() and shown.isdigit()):
                raise UsageError(f'ps shows "{shown[:40]}" where a process id should be')
            inside = int(shown) in members
        if inside:
            rows.append(tuple(cells))
    return ProcessList(titles, tuple(rows))


def _is_below(pid: int, wanted: int) -> bool:
    """Whether a process's pid namespace is this one or has it among its ancestors."""
    try:
        at = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # somebody else's, or ended
        return False
    try:
        for _ in range(_MAX_DEPTH):
            if os.fstat(at).st_ino == wanted:
                return True
            parent = fcntl.ioctl(at, _NS_GET_PARENT)
            os.close(at)
            at = parent
    except OSError:  # beyond our own namespace
        pass
    finally:
        with suppress(OSError):
            os.close(at)
    return False


def _run_ps(words: list[str], *, final: bool = False) -> str | None:
    """What ps prints; None: it refuses, which is an error when nothing else is to be tried."""
    try:
        done = subprocess.run(
            ["ps", *words], capture_output=True, timeout=PS_SECONDS, check=False
        )
    except FileNotFoundError:
        raise HostUnsupportedError(
            "there is no ps on this machine", remedy="install the package procps"
        ) from None
    if done.returncode == 0:
        return done.stdout.decode(errors="surrogateescape")
    if final:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(f"ps refuses these options: {said[0] if said else 'no reason given'}")
    return None
