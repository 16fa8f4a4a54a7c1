"""The server of a FUSE root: what the container sees of it, and what it holds of the host.

In: a root file system of busybox, as a directory and as an image of the store, served by
fuse-overlayfs.
Out: a mount that names nothing of the host, a server without descriptors, privileges or reach.
The escapes through the root file system itself run under this driver in test_escapes.py.
Source: proc(5), user_namespaces(7), fuse(4).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

# It counts the servers of this user.
pytestmark = [
    pytest.mark.alone,
    pytest.mark.needs("user-namespaces", "busybox", "fuse", "fuse-overlayfs"),
]

SECONDS = 60


class World(Protocol):
    """A root file system and what lies just outside it (conftest.py)."""

    root: Path
    canary: Path

    def image(self) -> str: ...


@dataclass(frozen=True)
class Served:
    """A running container and the server of its root.

    Attributes:
        mountinfo: as the container sees it.
        processes: numbers that the container sees below /proc.
        proc: /proc/PID of the server.
        root: the root file system on the host, or the layers of the store.
    """

    mountinfo: list[str]
    processes: set[str]
    proc: Path
    root: Path


def server_pids() -> set[Path]:
    """/proc/PID of this user's fuse-overlayfs processes."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            mine = path.stat().st_uid == os.getuid()
            if mine and (path / "comm").read_text() == "fuse-overlayfs\n":
                found.add(path)
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.fixture(params=["directory", "image"])
def served(
    request: pytest.FixtureRequest,
    launcher: Path,
    engine_environment: dict[str, str],
    world: World,
) -> Iterator[Served]:
    """A container that told what it sees and waits for its input to end."""
    before = server_pids()
    script = "cat /proc/self/mountinfo; echo; for p in /proc/[0-9]*; do echo ${p#/proc/}; done"
    words = ["run", "--rm", "-i", "--ephemeral", "--storage-driver=fuse-overlayfs"]
    words += ["--userns=single"]
    target, root = ["--rootfs", f"{world.root}:O"], world.root
    if request.param == "image":
        target, root = [world.image()], Path(engine_environment["PYROOTLESS_ROOT"]) / "layers"
    child = subprocess.Popen(
        [str(launcher), *words, *target, "/bin/sh", "-c", f"{script}; echo; cat"],
        env=engine_environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdin
        assert child.stdout
        parts: list[list[str]] = [[], []]
        for part in parts:
            while line := child.stdout.readline().rstrip("\n"):
                part.append(line)
        (proc,) = server_pids() - before
        yield Served(parts[0], set(parts[1]), proc, root)
        child.stdin.close()
        assert child.wait(SECONDS) == 0
    assert server_pids() - before == set()


def status(served: Served, field: str) -> str:
    """A line of the server's /proc/PID/status."""
    lines = (served.proc / "status").read_text().splitlines()
    return next(line.split(":\t")[1] for line in lines if line.startswith(f"{field}:"))


def test_the_mount_names_its_driver_and_no_path(served: Served) -> None:
    row = served.mountinfo[0].split()
    kind, source, options = row[row.index("-") + 1 :]
    assert (row[3], row[4], kind, source) == ("/", "/", "fuse.fuse-overlayfs", "fuse-overlayfs")
    assert "/" not in options
    assert served.root.parent.name not in " ".join(served.mountinfo).replace(
        next(line for line in served.mountinfo if " /etc/hosts " in line), ""
    )


def test_the_container_does_not_see_the_server(served: Served) -> None:
    """Process 1 and the shell's children; the server lives in the host's namespace."""
    assert "1" in served.processes
    assert served.proc.name not in served.processes
    assert os.readlink(served.proc / "ns/pid") == os.readlink("/proc/self/ns/pid")


def test_the_server_belongs_to_the_containers_user_namespace(served: Served) -> None:
    assert os.readlink(served.proc / "ns/user") != os.readlink("/proc/self/ns/user")
    assert status(served, "Uid").split() == [str(os.getuid())] * 4
    assert status(served, "NoNewPrivs") == "1"


def test_the_servers_command_line_names_no_path_of_the_host(served: Served) -> None:
    words = (served.proc / "cmdline").read_bytes().decode().split("\0")
    assert [word for word in words if str(served.root.parent) in word] == []
    assert words[-2] == "/dev/fd/3"


def test_the_server_holds_its_own_descriptors_alone(served: Served) -> None:
    """The mount, layers, upper and work, a complaint nobody reads, files it has open."""
    allowed = ("/dev/null", "/dev/fuse", "pipe:", str(served.root), "anon_inode:", "/proc/")
    links = set()
    for path in (served.proc / "fd").iterdir():
        with suppress(FileNotFoundError):  # a file that it has closed since
            links.add(os.readlink(path))
    foreign = [link for link in links if not link.startswith(allowed)]
    assert sorted(foreign) == sorted(
        link for link in foreign if "/upper" in link or "/work" in link
    )
    ends = {str(served.root), "tree"}
    assert any(link in ends or Path(link).name in ends for link in links)


def test_the_servers_upper_is_not_seen_on_the_host(served: Served) -> None:
    """It lies in a tmpfs of the server's own mount namespace."""
    assert os.readlink(served.proc / "ns/mnt") != os.readlink("/proc/self/ns/mnt")
    assert list(served.root.glob("upper")) == []
