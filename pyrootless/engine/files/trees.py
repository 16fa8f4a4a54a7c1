"""A container's files, from outside: looked at, read and written as archives.

What comes in: a container, running or stopped.  What goes out: path stats, tar streams.
Must never: touch a file of a container's in this process (helper.py does, in a process of
its own in the container's user namespace).
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pyrootless.config import find_launcher
from pyrootless.core import _containers
from pyrootless.engine import Container, read_config
from pyrootless.errors import ContainerStateError

_NOTE = "io.pyrootless."
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from pyrootless.engine.files.helper import main; main()"
)
_END_SECONDS = 10
_PIPE_BYTES = 1 << 20
"""Each full pipe is a change from one process to the other."""


@dataclass(frozen=True, slots=True)
class PathStat:
    """What docker's archive stat says of a path.

    Attributes:
        mode: Type and permission, st_mode.
        size_bytes: Of a file, or what the file system says.
        mtime_ns: Nanoseconds since 1970.
        target: A link's text; "" for what is none.
    """

    mode: int
    size_bytes: int
    mtime_ns: int
    target: str


class TreeError(ContainerStateError):
    """A path of a container could not be used.

    Attributes:
        errno: Why; 0 where the words say it.
    """

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.errno = number


class Tree:
    """Files that a process of their own touches, as long as this context lasts."""

    def __init__(
        self,
        shown: str,
        first: dict[str, Any],
        command: list[str],
        process: tuple[int, int] | None = None,
    ) -> None:
        self.shown = shown
        self._process_of = process
        self._first = first
        self._command = command
        self._pidfd = -1
        self._input: IO[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def output(self) -> IO[bytes]:
        """Where `get`, `changes` and `layer` write."""
        assert self._output is not None
        return self._output

    @property
    def input(self) -> IO[bytes]:
        """Where `put` reads."""
        assert self._input is not None
        return self._input

    def __enter__(self) -> Self:
        """Start the helper and let it find the root.

        Raises:
            ContainerStateError: It does not run any more.
            TreeError: Its root cannot be had.
        """
        if self._process_of is not None:
            self._pidfd = _containers.hold_process(*self._process_of)
            if self._pidfd < 0:
                raise _ended(self.shown)
            self._first["pidfd"] = self._pidfd
        ours, theirs = socket.socketpair()
        site = str(Path(__file__).parents[3])
        words = [sys.executable, "-I", "-S", "-c", _PROGRAM, site, str(theirs.fileno())]
        self._process = subprocess.Popen(
            [*self._command, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno(), *([self._pidfd] if self._pidfd >= 0 else [])],
        )
        theirs.close()
        self._input, self._output = self._process.stdin, self._process.stdout
        for pipe in (self._input, self._output):
            with suppress(OSError):  # a user's pipes are limited
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
        self._control = ours.makefile("rw", encoding="ascii", newline="\n")
        ours.close()
        try:
            self.ask(self._first)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: object, ___: TracebackType | None
    ) -> None:
        """Let the helper go."""
        for stream in (self._control, self._input, self._output):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def stat(self, path: str, *, follow: bool = False) -> PathStat:
        """What a path is.

        Raises:
            TreeError: Nothing is there, or it cannot be reached.
        """
        found = self.ask({"verb": "stat", "path": path, "follow": follow})
        return PathStat(found["mode"], found["size"], found["mtime_ns"], found["target"])

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """One request and its answer.  Raises TreeError."""
        self.send(asked)
        return self.answer(str(asked.get("path", "")))

    def send(self, asked: Mapping[str, Any]) -> None:
        """A request whose answer comes after its archive."""
        with suppress(BrokenPipeError):
            self._control.write(f"{json.dumps(dict(asked))}\n")
            self._control.flush()

    def answer(self, path: str = "") -> dict[str, Any]:
        """The answer of the request before.

        Raises:
            TreeError: It failed.
        """
        try:
            line = self._control.readline()
        except OSError:
            line = ""
        if not line:
            raise TreeError(f"the helper of {self.shown} ended: {self._last_words()}")
        found: dict[str, Any] = json.loads(line)
        if "problem" in found:
            raise TreeError(f"{self.shown}:{path}: {found['problem']}")
        if "errno" in found:
            subject = f" ({found['subject']})" if found["subject"] else ""
            raise TreeError(
                f"{self.shown}:{path}: {os.strerror(found['errno'])}{subject}", found["errno"]
            )
        return found

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        said = self._process.stderr.read() if self._process.stderr is not None else b""
        lines = said.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"


class ContainerTree(Tree):
    """The files of one container, as long as this context lasts."""

    def __init__(self, container: Container, first: dict[str, Any], command: list[str]) -> None:
        joins = first["verb"] == "join"
        process = (container.pid, container.start_ticks) if joins else None
        super().__init__(container.name or container.id[:12], first, command, process)
        self.container = container


@contextmanager
def open_tree(container: Container, *, write: bool = False) -> Iterator[ContainerTree]:
    """The files of a container as its programs see them.

    Args:
        container: From `find_container`.
        write: They are to be changed; of a stopped container.

    Raises:
        ContainerStateError: It is stopped, and its root cannot be made without it.
    """
    if container.has_processes:
        facts = _facts(container)
        joined = {**facts, "verb": "join", "pid": container.pid, "uids": [], "gids": []}
        with ContainerTree(container, joined, []) as tree:
            yield tree
        return
    with ContainerTree(container, _mounted(container, write), _unshared(container)) as tree:
        yield tree


@contextmanager
def open_root(container: Container) -> Iterator[ContainerTree]:
    """The root file system of a container without what is mounted in it, read-only."""
    plan = {**_mounted(container, False), "binds": []}
    with ContainerTree(container, plan, _unshared(container)) as tree:
        yield tree


@contextmanager
def open_changes(container: Container) -> Iterator[ContainerTree]:
    """What a container wrote beside what it was made of."""
    plan = {**_mounted(container, False), "verb": "compare"}
    if not plan["upper"]:
        raise ContainerStateError(
            f"container {container.name or container.id[:12]} keeps no changes on disk",
            remedy="start it so that it does: pyrootless run --name NAME IMAGE",
        )
    with ContainerTree(container, plan, _unshared(container)) as tree:
        yield tree


def _facts(container: Container) -> dict[str, Any]:
    """How owners are read, and in which map of ids."""
    config = read_config(container.directory)
    notes, linux = config.get("annotations", {}), config.get("linux", {})
    claims = notes.get(f"{_NOTE}fake-root") == "remember"
    return {
        "claims": claims,
        "side": str(container.directory / "owners") if claims else "",
        "uids": [_row(row) for row in linux.get("uidMappings", [])],
        "gids": [_row(row) for row in linux.get("gidMappings", [])],
    }


def _mounted(container: Container, write: bool) -> dict[str, Any]:
    config = read_config(container.directory)
    notes = config.get("annotations", {})
    if not config:
        raise _ended(container.name or container.id[:12])
    upper = notes.get(f"{_NOTE}rootfs.upper", "")
    if notes.get(f"{_NOTE}rootfs.driver", "overlay") != "overlay" or upper == "tmpfs":
        why = "in memory" if upper == "tmpfs" else "of fuse-overlayfs"
        raise ContainerStateError(
            f"the files of container {container.name or container.id[:12]} are {why}: they can "
            "be reached while it runs, through its own root alone",
            remedy="copy them: pyrootless cp CONTAINER:PATH DIR",
        )
    root = str(config.get("root", {}).get("path", ""))
    lowers = [line for line in notes.get(f"{_NOTE}rootfs.lower", "").split("\n") if line]
    on_disk = upper == "disk"
    return {
        **_facts(container),
        "verb": "mount",
        "target": root,
        "lowers": lowers or [root],
        "upper": notes.get(f"{_NOTE}rootfs.upper.path", "") if on_disk else "",
        "work": notes.get(f"{_NOTE}rootfs.upper.work", "") if on_disk else "",
        "write": write,
        "binds": _binds(config),
    }


def _binds(config: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(item["source"]), str(item["destination"]))
        for item in config.get("mounts", [])
        if item.get("type") == "bind" or {"bind", "rbind"} & set(item.get("options", []))
    ]


def _unshared(container: Container) -> list[str]:
    """A user namespace in which the container's files have owners."""
    notes = read_config(container.directory).get("annotations", {})
    return unshared("single" if notes.get(f"{_NOTE}userns", "single") == "single" else "range")


def unshared(kind: str) -> list[str]:
    """The words before a program that has a user namespace with one id or with a range."""
    return [str(find_launcher()), "unshare", "--map", kind, "--"]


def _row(row: dict[str, int]) -> list[int]:
    return [row["containerID"], row["hostID"], row["size"]]


def _ended(shown: str) -> ContainerStateError:
    return ContainerStateError(
        f"container {shown} is not running any more", remedy="see: pyrootless ps -a"
    )
