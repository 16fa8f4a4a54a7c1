"""Holders and launchers killed at random moments, while others start: nobody else is harmed.

In: PYROOTLESS_SOAK_ROUNDS (default: a few; `make soak` sets 1000), PYROOTLESS_SOAK_SEED.
Out: each container that was not killed ends with its own status; after one more command there
is no process, mount, namespace file or directory left.
Never: a kill of anything that this test did not start.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import holders
import pytest

pytestmark = pytest.mark.needs("user-namespaces", "subordinate-ids", "newuidmap", "busybox")

ROUNDS = int(os.environ.get("PYROOTLESS_SOAK_ROUNDS", "20"))
SEED = int(os.environ.get("PYROOTLESS_SOAK_SEED", "1"))
SECONDS = 60
MOST_DELAY_SECONDS = 0.012  # a start with its end takes about 5 ms
WAYS = (
    ("--rm", "--ephemeral", "--userns=range"),
    ("--rm", "--userns=range"),
    ("--rm", "--ephemeral", "--userns=keep-id"),
    ("--rm", "--ephemeral", "--userns=single"),
)
EMPTY = ("store/containers", "store/names", "store/tmp", "store/trash")
EMPTY += ("run/pyrootless/running", "run/pyrootless/containers")


@dataclass
class Soak:
    """One run of the test.

    Attributes:
        launcher: the executable.
        base: holds the store and the runtime directory.
        environment: all variables of a call.
        chance: what is done next, the same for the same seed.
    """

    launcher: Path
    base: Path
    environment: dict[str, str]
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A container; its command line names this test in all its processes."""
        with self.said.open("ab") as said:
            return subprocess.Popen(
                [str(self.launcher), "run", *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    @property
    def said(self) -> Path:
        """Where all launchers write their errors."""
        return self.base / "said"

    def start_one(self) -> tuple[subprocess.Popen[bytes], int]:
        """A short container, and the status it is to end with."""
        code = self.chance.randrange(100)
        words = self.chance.choice(WAYS)
        return self.start(
            *words, "host", "busybox", "sh", "-c", f"exit {code}", self.mark
        ), code

    @property
    def mark(self) -> str:
        """A word that nothing else on the machine has."""
        return str(self.base)

    def helpers(self) -> list[int]:
        """The holder, who makes pairs for it, and who keeps them."""
        found = holders.holders(self.environment)
        with contextlib.suppress(OSError):  # one of them has just ended
            found += [one for pid in list(found) for one in holders.descendants(pid)]
        return found

    def left(self) -> list[str]:
        """Files, processes and mounts that are somebody's who has ended."""
        folders = [self.base / name for name in EMPTY]
        files = [str(path) for one in folders if one.exists() for path in one.iterdir()]
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return sorted(files) + self._processes() + [line for line in lines if self.mark in line]

    def _processes(self) -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes()
                if self.mark.encode() in words and b"_holder" not in words:
                    found.append(f"process {path.parent.name}: {words!r}")
        return found


@pytest.fixture
def soak(tmp_path: Path, launcher: Path) -> Iterator[Soak]:
    (tmp_path / "run").mkdir(mode=0o700)
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "ASAN_OPTIONS")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {"PYROOTLESS_ROOT": str(tmp_path / "store"), holders.IDLE: "600"}
    env["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    made = Soak(launcher, tmp_path, env)
    assert made.start("--rm", "--userns=single", "host", "true").wait(SECONDS) == 0
    yield made
    holders.dismiss(env)


def one_round(soak: Soak) -> None:
    """Three starts at once; after a moment one launcher is killed, or one of the helpers."""
    started = [soak.start_one() for _ in range(3)]
    select.select([], [], [], soak.chance.random() * MOST_DELAY_SECONDS)
    victim = soak.chance.choice(("launcher", "helper", "both", "nobody"))
    killed = started[0][0] if victim in ("launcher", "both") else None
    if killed:
        killed.send_signal(signal.SIGKILL)
    if victim in ("helper", "both") and (helpers := soak.helpers()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(soak.chance.choice(helpers), signal.SIGKILL)
    for process, code in started:
        status = process.wait(SECONDS)
        if process is killed:
            assert status in (-signal.SIGKILL, code)
        else:
            assert status == code, soak.said.read_text()


def await_nothing_left(soak: Soak) -> None:
    """After one more command; what the kernel still ends has a while for it."""
    assert soak.start("--rm", "--userns=single", "host", "true").wait(SECONDS) == 0
    end = time.monotonic() + SECONDS
    while left := soak.left():
        assert time.monotonic() < end, left
        time.sleep(0.005)
        if not [line for line in left if line.startswith("process")]:
            assert soak.start("--rm", "--userns=single", "host", "true").wait(SECONDS) == 0


def all_of_them(soak: Soak) -> list[int]:
    """The holder, as before the first kill."""
    return [holders.warm(soak.launcher, soak.environment)]


def test_nobody_else_is_harmed(soak: Soak) -> None:
    script = f"trap 'exit 42' TERM; while :; do busybox sleep 1; done # {soak.mark}"
    words = ("--rm", "--ephemeral", "--userns=range", "host", "busybox", "sh", "-c", script)
    with soak.start(*words) as witness:  # from before the first kill until after the last
        try:
            for _ in range(ROUNDS):
                one_round(soak)
                assert witness.poll() is None
            witness.terminate()
            assert witness.wait(SECONDS) == 42
        finally:
            witness.kill()
    await_nothing_left(soak)
    everybody = all_of_them(soak)
    holders.dismiss(soak.environment)
    assert [pid for pid in everybody if holders.is_alive(pid)] == []
