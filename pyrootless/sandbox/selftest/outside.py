"""The world outside the boxes, watched: what a hostile program must not have changed or seen.

What comes in: nothing. What goes out: `Outside`: a line that tells a program where it might
knock, and after each run what was broken.
Must never: believe a program; leave its own traces behind.

It stands there like a careless caller: a secret in a file, in the environment and in a
descriptor that is not closed on exec; two listeners; a process of the same user.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from pyrootless.closing import Closing
from pyrootless.sandbox import Limits, Outcome, run

MARK = "pyrootless-hostile-mark"
"""Programs that leave files call them so, wherever they can write."""
GROWTH_BYTES = 8 << 20
_VARIABLE = "PYROOTLESS_HOSTILE_SECRET"
_SHARED_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/var/lock", "/var/crash")
_GOOD = ("sh", "-c", "echo good")
_GOOD_LIMITS = Limits(cpu="10s", wall="60s")
_GOOD_FACTOR = 10
_GOOD_SLACK_NS = 1_000_000_000
_WARM_RUNS = 5


class Outside(Closing):
    """A context: set up, watched after each run, taken down."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.secret = secrets.token_hex(16)
        self.good_ns = 0
        self.slowest_ns = 0
        self.growth_bytes = 0

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        self.folder = Path(enter(tempfile.TemporaryDirectory(prefix="pyrootless-selftest-")))
        self._answers = self.folder / "answers"
        self._answers.write_text(self.secret)
        self._inherited = os.open(self._answers, os.O_RDONLY)
        self._stack.callback(os.close, self._inherited)
        os.set_inheritable(self._inherited, True)
        enter(_variable(_VARIABLE, self.secret))
        self._tcp = enter(socket.create_server(("127.0.0.1", 0)))
        self._unix = enter(socket.socket(socket.AF_UNIX))
        self._unix.bind(f"\0{MARK}-{self.secret[:8]}")
        self._unix.listen()
        for listener in (self._tcp, self._unix):
            listener.setblocking(False)
        self._guard = enter(_guard())
        self.good_ns = sorted(_good_run()[1] for _ in range(_WARM_RUNS))[_WARM_RUNS // 2]
        self.settle()
        return self

    def close(self) -> None:
        """Take it down. Safe to call twice."""
        self._stack.close()

    def warm(self) -> None:
        """One good run, so that a thread has all it needs before `settle`."""
        _good_run()

    def settle(self) -> None:
        """Take what there is for what is usual."""
        self._children = _children()
        self._descriptors = _descriptors()
        self._mounts = _mounts(self.folder)
        self._files = _digests(self.folder)
        self._bytes = _resident_bytes()

    def directions(self) -> bytes:
        """One line for standard input: where to knock, but not the secret."""
        port, name = self._tcp.getsockname()[1], self._unix.getsockname()[1:].decode()
        return f"{port} {name} {self._guard.pid} {os.getpid()} {self.folder}\n".encode()

    def broken(self) -> list[str]:
        """What is not as it was, and whether a good program is well."""
        wrong = [*self._traces(), *self._world()]
        outcome, took_ns = _good_run()
        self.slowest_ns = max(self.slowest_ns, took_ns)
        if outcome.stdout != b"good\n" or not outcome.ok:
            wrong.append(f"a good program after it: {outcome.verdict}")
        if took_ns > _GOOD_FACTOR * self.good_ns + _GOOD_SLACK_NS:
            wrong.append(f"a good program after it took {took_ns / 1e6:.0f} ms")
        growth = _resident_bytes() - self._bytes
        self.growth_bytes = max(self.growth_bytes, growth)
        if growth > GROWTH_BYTES:
            wrong.append(f"this process grew by {growth >> 10} KiB")
        return wrong

    def told(self, outcome: Outcome) -> list[str]:
        """Whether a program saw the secret."""
        texts = (outcome.stdout, outcome.stderr, *outcome.files.values())
        return ["it read a secret of its caller's"] * any(
            self.secret.encode() in text for text in texts
        )

    def _traces(self) -> list[str]:
        """What this process could have been left with."""
        wrong = [f"process {pid} is left" for pid in sorted(_children() - self._children)]
        more = _descriptors() - self._descriptors
        if more:
            wrong.append(f"{len(more)} descriptors are left")
        wrong += [f"a mount is left: {line}" for line in _mounts(self.folder) - self._mounts]
        return wrong

    def _world(self) -> list[str]:
        wrong = []
        if self._guard.poll() is not None:
            wrong.append("a process outside was ended")
        if _digests(self.folder) != self._files:
            wrong.append("a file outside was changed")
        for place in (*_SHARED_PLACES, Path.home()):
            if found := _marked(Path(place)):
                wrong.append(f"files were left outside: {found}")
        for listener, name in ((self._tcp, "TCP"), (self._unix, "abstract")):
            if _knocked(listener):
                wrong.append(f"it reached a {name} socket outside")
        return wrong


def own_groups() -> frozenset[str]:
    """Control groups of this process that are there; looked for in the whole tree."""
    mine = f"{os.getpid():08x}"
    return frozenset(
        f"{folder}/{name}"
        for folder, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.startswith("pyrootless-5a4db0c5") and name[27:35] == mine
    )


def _good_run() -> tuple[Outcome, int]:
    start_ns = time.monotonic_ns()
    outcome = run(_GOOD, limits=_GOOD_LIMITS)
    return outcome, time.monotonic_ns() - start_ns


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@contextmanager
def _guard() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user that only waits; it ends when its input does."""
    words = [shutil.which("cat") or "/bin/cat"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, close_fds=True
    ) as process:
        yield process
        if process.stdin is not None:
            process.stdin.close()


def _children() -> frozenset[int]:
    """Living or dead and not waited for, of this process."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            rest = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(rest[1]) == os.getpid():
            found.add(int(folder.name))
    return frozenset(found)


def _descriptors() -> frozenset[str]:
    """Numbers of open descriptors, without that of the listing itself."""
    folder = Path("/proc/self/fd")
    return frozenset(path.name for path in folder.iterdir() if path.is_symlink())


def _mounts(folder: Path) -> frozenset[str]:
    """Mounts that have to do with us: the machine's others come and go."""
    words = ("pyrootless", os.fspath(folder))
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return frozenset(line for line in lines if any(word in line for word in words))


def _digests(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        path.name: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.iterdir()
    }


def _marked(place: Path) -> list[str]:
    try:
        return [os.fspath(path) for path in place.iterdir() if path.name.startswith(MARK)]
    except OSError:  # not there, or not ours to look into
        return []


def _knocked(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
