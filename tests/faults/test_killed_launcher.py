"""A launcher killed at any of its system calls leaves nothing that the next command does not
take away.

In: strace, which kills the launcher (and nobody else) before a call.
Out: no process survives; one more command takes away every file and mount, and frees the name.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Place

pytestmark = pytest.mark.needs("busybox", "strace", "user-namespaces")

ECHO = ("busybox", "echo", "hello")
FUSE = pytest.mark.needs("fuse", "fuse-overlayfs")
DRIVERS = ["overlay", pytest.param("fuse-overlayfs", marks=FUSE)]
WAYS = {"rm": ("--rm",), "ephemeral": ("--rm", "--ephemeral"), "named": ("--name", "kept")}
SECONDS = 60
CALL = re.compile(r"^([a-z_0-9]+)\(", re.MULTILINE)
# Between two calls that change nothing for others, one moment is like the next.
ASKING = frozenset(
    "access brk fcntl fstat getcwd getdents64 getegid geteuid getgid getpid getrandom getuid "
    "ioctl lseek lstat mmap mprotect munmap newfstatat poll ppoll pread64 prlimit64 read "
    "readlink readlinkat rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn "
    "sched_getaffinity set_tid_address sigaltstack stat statfs fstatfs fgetxattr "
    "uname arch_prctl".split()
)


def moments(place: Place, words: tuple[str, ...], image: str = "host") -> list[tuple[str, int]]:
    """Before each call of a launch that changes something: its name, and its number among those
    of the name."""
    log = place.base / "calls"
    done = place.run(*words, image, *ECHO, before=["strace", "-qq", "-o", str(log)])
    assert (done.returncode, done.stdout) == (0, f"hello {place.mark}\n")
    seen: Counter[str] = Counter()
    found = []
    for name in CALL.findall(log.read_text()):
        seen[name] += 1
        if name not in ASKING:
            found.append((name, seen[name]))
    assert len(found) > 50
    return found


def kill_at(
    place: Place, moment: tuple[str, int], words: tuple[str, ...], image: str = "host"
) -> bool:
    """One launch killed before this call; False when it made fewer."""
    name, number = moment
    tracer = ["strace", "-qq", "-o", str(place.base / "trace"), "-e", f"trace={name}"]
    tracer += ["-e", f"inject={name}:signal=KILL:when={number}"]
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


HELD = pytest.param("rm", "held", marks=pytest.mark.needs("subordinate-ids", "newuidmap"))


@pytest.mark.parametrize(
    ("way", "place"), [*((way, "single") for way in WAYS), HELD], indirect=["place"]
)
def test_killed_at_every_call(way: str, place: Place) -> None:
    place.run(*WAYS[way], "host", *ECHO)  # the next ones are like it
    if way == "named":
        call(place, "rm", "kept")
    place.settle("--rm", "host", *ECHO)
    wanted = moments(place, WAYS[way])
    if way == "named":
        call(place, "rm", "kept")
    killed = 0
    for moment in wanted:
        killed += kill_at(place, moment, WAYS[way])
        await_end(place)
        place.settle("--rm", "host", *ECHO)
        if way == "named":  # kept, when its program had started: then it is whole
            for container in call(place, "ps", "-a", "-q").split():
                assert call(place, "rm", container) == f"{container}\n"
        assert place.left() == [], f"after a kill at {moment}"
    assert killed > 0.9 * len(wanted)


@pytest.mark.parametrize("driver", DRIVERS)
def test_killed_over_an_image(driver: str, place: Place, stored: str) -> None:
    """The supervisor of its fake root and the server of its root go with the launcher."""
    words = ("--rm", f"--storage-driver={driver}")
    place.settle(*words, stored, *ECHO)
    wanted = moments(place, words, stored)
    killed = 0
    for moment in wanted:
        killed += kill_at(place, moment, words, stored)
        await_end(place)
        place.settle(*words, stored, *ECHO)
        assert place.left() == [], f"after a kill at {moment}"
    assert killed > 0.9 * len(wanted)


def test_killed_while_it_leaves_something_for_the_next(place: Place) -> None:
    """The first start of its kind: what it was to leave is whole, or not there."""
    flat = place.base / "runtime" / "pyrootless" / "flat"
    words = WAYS["ephemeral"]
    shutil.rmtree(flat)
    wanted = moments(place, words)
    (whole,) = (file.stat().st_size for file in flat.iterdir())
    for moment in wanted:
        shutil.rmtree(flat, ignore_errors=True)
        kill_at(place, moment, words)
        await_end(place)
        sizes = [file.stat().st_size for file in flat.iterdir()] if flat.exists() else []
        assert sizes in ([], [whole]), f"after a kill at {moment}"
        assert place.run(*words, "host", *ECHO).returncode == 0
        assert [file.stat().st_size for file in flat.iterdir()] == [whole]
        assert place.left() == [], f"after a kill at {moment}"
