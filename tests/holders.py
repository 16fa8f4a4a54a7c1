"""The holder of user namespaces, as tests see it.

In: a runtime directory, an environment of the launcher's.
Out: a holder that listens (its process id), and its end; who a namespace's parent is, as the
kernel tells.
Never: a sleep in the place of an event: what is waited for is looked at until it is there.
Source: ioctl_nsfs(2), unix(7).
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

IDLE = "PYROOTLESS_HOLDER_IDLE"
SECONDS = 60
PATIENCE_SECONDS = 5
NS_GET_USERNS, NS_GET_PARENT = 0xB701, 0xB702
RANGE = ("run", "--rm", "--ephemeral", "--userns=range", "host", "true")


def folder(environment: Mapping[str, str]) -> Path:
    """Where holders of this environment listen."""
    return Path(environment["XDG_RUNTIME_DIR"]) / "pyrootless" / "holder"


def sockets(environment: Mapping[str, str]) -> list[Path]:
    """What lies there beside the lock."""
    found = folder(environment)
    names = [p for p in found.iterdir() if p.name != "lock"] if found.is_dir() else []
    return sorted(names)


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def listener(path: Path) -> int:
    """The process that listens at a socket; 0 when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        here = os.open(path.parent, os.O_PATH)
        try:
            one.connect(f"/proc/self/fd/{here}/{path.name}")
        except OSError:
            return 0
        finally:
            os.close(here)
        size = struct.calcsize("3i")
        answer = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int(struct.unpack("3i", answer)[0])


def holders(environment: Mapping[str, str]) -> list[int]:
    """The processes that listen, as this side numbers them."""
    return [pid for path in sockets(environment) if (pid := listener(path))]


def warm(
    launcher: Path, environment: Mapping[str, str], before: Sequence[str] = (), idle: int = 600
) -> int:
    """Start a container of many ids; wait for the holder that it leaves.

    One that was just killed may have been found by the start still: then once more.
    """
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done = subprocess.run(
            [*before, str(launcher), *RANGE],
            env={**environment, IDLE: str(idle)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        again = min(end, time.monotonic() + PATIENCE_SECONDS)
        while time.monotonic() < again:
            found = holders(environment)
            if len(found) == 1:
                return found[0]
            time.sleep(0.005)
    raise AssertionError("no holder came")


def await_holder(environment: Mapping[str, str], other_than: int = 0) -> int:
    """The one holder, as soon as it listens."""
    end = time.monotonic() + SECONDS
    while not (found := [pid for pid in holders(environment) if pid != other_than]):
        assert time.monotonic() < end, "no holder came"
        time.sleep(0.005)
    assert len(found) == 1
    return found[0]


def await_end(pid: int) -> None:
    """Until a process that is not our child is gone."""
    end = time.monotonic() + SECONDS
    while is_alive(pid):
        assert time.monotonic() < end, f"process {pid} still runs"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def dismiss(environment: Mapping[str, str]) -> None:
    """Take the sockets away: the holders leave at once.  Returns when they have left."""
    found = [one for pid in holders(environment) for one in (pid, *descendants(pid))]
    for path in sockets(environment):
        path.unlink()
    for pid in found:
        await_end(pid)


def descendants(pid: int) -> list[int]:
    """Its children and theirs."""
    return [one for child in children(pid) for one in (child, *children(child))]


def user_namespace(pid: int) -> int:
    """The inode number of a process' user namespace."""
    return Path(f"/proc/{pid}/ns/user").stat().st_ino


def parent_namespace(pid: int) -> int:
    """That of the namespace above it, as the kernel tells."""
    with Path(f"/proc/{pid}/ns/user").open() as one:
        above = fcntl.ioctl(one.fileno(), NS_GET_PARENT)
    try:
        return os.fstat(above).st_ino
    finally:
        os.close(above)
