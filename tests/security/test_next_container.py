"""A container does not see the next one's files, whatever of its own it sent outside.

In: containers with --rm, one after the other, of one store; what the first one leaves is empty
directories (csrc/container/state/removal/remove.c).  Out: what a descriptor of the first one's
root shows.
Never: a store that another test fills.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [pytest.mark.context_single, pytest.mark.needs("user-namespaces")]
# Of its root and of the file it may write that is mounted from its own directory.
SENDS = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
sock.connect("/tmp/door")
paths = (("/", os.O_RDONLY), ("/etc/hosts", os.O_RDWR))
socket.send_fds(sock, [b"x"], [os.open(path, flags) for path, flags in paths])
"""
WRITES = "echo secret > /tmp/secret && cat /etc/hosts && echo && read line"


@pytest.fixture
def place(tmp_path: Path, engine_environment: dict[str, str]) -> dict[str, str]:
    """An environment with a store of this test alone."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        **engine_environment,
        "PYROOTLESS_ROOT": str(tmp_path / "store"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }


@pytest.fixture
def door(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that waits in the directory `talk`."""
    (tmp_path / "talk").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "talk/door"))
        listener.listen()
        listener.settimeout(60)
        yield listener


def received(door: socket.socket) -> list[int]:
    """The descriptors that came through the door."""
    with door.accept()[0] as peer:
        return socket.recv_fds(peer, 16, 2)[1]


def test_a_root_that_was_sent_out_shows_nothing_of_the_next_one(
    tmp_path: Path, launcher: Path, place: dict[str, str], door: socket.socket
) -> None:
    run = [str(launcher), "run", "--rm"]
    subprocess.run([*run, "host", "true"], env=place, check=True, timeout=120)
    first = [*run, "-v", f"{tmp_path}/talk:/tmp", "host", "python3", "-c", SENDS]
    done = subprocess.run(first, env=place, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    root, hosts = received(door)
    left = sorted(path.name for path in (tmp_path / "store/spent").iterdir())
    assert left == ["upper", "work"]
    assert list((tmp_path / "store/spent/upper").iterdir()) == []
    second = [*run, "-i", "host", "sh", "-c", WRITES]
    with subprocess.Popen(
        second, env=place, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as container:
        assert container.stdout
        assert container.stdout.readline() == "127.0.0.1\tlocalhost\n"
        (directory,) = (tmp_path / "store/containers").iterdir()
        assert (directory / "upper/tmp/secret").read_text() == "secret\n"
        with pytest.raises(FileNotFoundError):
            os.stat("tmp/secret", dir_fd=root)
        with suppress(OSError):  # its upper may be gone, or not yet
            os.close(os.open("planted", os.O_WRONLY | os.O_CREAT, dir_fd=root))
        assert not (directory / "upper/planted").exists()
        os.pwrite(hosts, b"6.6.6.6 planted\n", 0)
        assert "planted" not in (directory / "hosts").read_text()
        container.communicate("\n", timeout=60)
    assert container.returncode == 0
    os.close(root)
    os.close(hosts)
