"""Runs beside a process of the user's that has many descriptors in flight (SCM_RIGHTS).

The kernel counts them for the user and refuses the next to whoever has a lower limit of open
files: to a box that hands over what its caller needs, and to a caller that lends a waiting box
its streams.

In: a child that keeps them in flight; callers with limits of their own.
"""

from __future__ import annotations

import array
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# The kernel counts descriptors in flight for each user.
pytestmark = [
    pytest.mark.alone,
    pytest.mark.usefixtures("engine"),
    pytest.mark.needs("user-namespaces"),
]

MANY = 3000
FEW = 1000
EACH = 200

RUNS = """
from pyrootless.sandbox import Limits, ReadyBoxes, Sandbox, run
wanted = Limits(open_files=64)
print(run(["cat"], stdin=b"cold", limits=wanted).text)
with ReadyBoxes(size=1, limits=wanted) as boxes:
    for _ in range(2):
        print(boxes.run(["cat"], stdin=b"ready").text)
with Sandbox(warm=True, limits=wanted) as box:
    box.put({"a.py": b"print(input())"})
    for _ in range(2):
        outcome = box.run(["python3", "a.py"], stdin=b"warm")
        print(outcome.text, end="")
print(outcome.enforced["cpu"])
"""


@contextmanager
def in_flight(count: int) -> Iterator[None]:
    """So many descriptors of this user are in flight."""
    started, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        kept, rights = [], array.array("i", [started] * EACH)
        for _ in range(count // EACH):
            pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            pair[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            kept.append(pair)
        os.write(ready, b"x")
        signal_wait()
    try:
        assert os.read(started, 1) == b"x"
        yield
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(started)
        os.close(ready)


def signal_wait() -> None:
    """Until it is killed."""
    import signal

    while True:
        signal.pause()


def limited(soft: int, hard: int) -> str:
    """What a caller with these limits of open files prints."""

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    done = subprocess.run(
        [sys.executable, "-c", RUNS],
        preexec_fn=lower,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("hard", [FEW, None], ids=["fetched", "raised"])
def test_no_box_needs_to_send_a_descriptor(hard: int | None) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most <= MANY:
        pytest.skip("this user cannot have so many in flight")
    before = limited(FEW, hard or most)
    with in_flight(MANY):
        said = limited(FEW, hard or most)
    assert said == before
    assert said.split()[:-1] == ["cold", "ready", "ready", "warm", "warm"]
