"""A launcher killed at any of its system calls leaves nothing that the next command does not
take away.

In: strace, which kills the launcher (and nobody else) at its nth call.
Out: no process survives; one more command takes away every file and mount, and frees the name.
"""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Place

pytestmark = pytest.mark.needs("busybox", "strace", "user-namespaces")

ECHO = ("busybox", "echo", "hello")
FUSE = pytest.mark.needs("fuse", "fuse-overlayfs")
DRIVERS = ["overlay", pytest.param("fuse-overlayfs", marks=FUSE)]
WAYS = {"rm": ("--rm",), "ephemeral": ("--rm", "--ephemeral"), "named": ("--name", "kept")}
MOST = 500
SECONDS = 60


def kill_at(place: Place, n: int, words: tuple[str, ...], image: str = "host") -> bool:
    """One launch killed as it makes its nth call; False when it makes fewer."""
    log = place.base / "trace"
    tracer = ["strace", "-qq", "-o", str(log)]
    tracer += ["-e", "trace=all", "-e", f"inject=all:signal=KILL:when={n}"]
    done = place.run(*words, image, *ECHO, before=tracer)
    if done.returncode == 0:
        assert done.stdout == f"hello {place.mark}\n"
        return False
    assert done.returncode == -signal.SIGKILL
    return True


def await_end(place: Place) -> None:
    """The kernel kills the container with its launcher, but not in the same instant."""
    end = time.monotonic() + SECONDS
    while processes := [line for line in place.left() if line.startswith("process")]:
        assert time.monotonic() < end, processes


def call(place: Place, *argv: str) -> str:
    """A command that must succeed; what it printed."""
    done = subprocess.run(
        [str(place.launcher), *argv],
        env=place.environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_every_call(way: str, place: Place) -> None:
    for n in range(1, MOST):
        killed = kill_at(place, n, WAYS[way])
        await_end(place)
        next_one = place.run("--rm", "host", *ECHO)
        assert (next_one.returncode, next_one.stdout) == (0, f"hello {place.mark}\n")
        if way == "named":  # kept, when its program had started: then it is whole
            for container in call(place, "ps", "-a", "-q").split():
                assert call(place, "rm", container) == f"{container}\n"
        assert place.left() == [], f"after a kill at call {n}"
        if not killed:
            assert n > 50
            return
    pytest.fail(f"more than {MOST} calls")


@pytest.mark.parametrize("driver", DRIVERS)
def test_killed_over_an_image(driver: str, place: Place, stored: str) -> None:
    """The supervisor of its fake root and the server of its root go with the launcher."""
    words = ("--rm", f"--storage-driver={driver}")
    for n in range(1, MOST):
        killed = kill_at(place, n, words, stored)
        await_end(place)
        next_one = place.run(*words, stored, *ECHO)
        assert (next_one.returncode, next_one.stdout) == (0, f"hello {place.mark}\n")
        assert place.left() == [], f"after a kill at call {n}"
        if not killed:
            assert n > 50
            return
    pytest.fail(f"more than {MOST} calls")
