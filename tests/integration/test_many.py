"""Many containers: one after another, and at once; every status right, and nothing left.

In: PYROOTLESS_MANY (a factor; `make soak` sets it to 25: 10,000 in a loop, 500 at once).
Out: statuses; descriptors, children, mounts, directories, locks before and after; memory.
Never: a limit of time, a number of this machine.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pyrootless
from pyrootless.engine.child import PIPE

# It counts the control groups of this user.
pytestmark = pytest.mark.alone

FACTOR = int(os.environ.get("PYROOTLESS_MANY", "1"))
IN_A_LOOP = 400 * FACTOR
AT_ONCE = 20 * FACTOR
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
OWN_GROUP = "pyrootless-" + "[0-9a-f]" * 64
GROWTH_BYTES = 1 << 20
"""What allocators may keep over a whole loop: at 10,000 starts, 100 bytes each."""


@pytest.fixture
def engine(
    engine_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """This process uses the store of the test run; the runtime directory is given."""
    for name in ("PYROOTLESS_ROOT", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, engine_environment[name])
    yield Path(engine_environment["XDG_RUNTIME_DIR"]) / "pyrootless"


def children() -> list[str]:
    """Process ids of this process's children, zombies too."""
    found: list[str] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended
            found += path.read_text().split()
    return found


def there_now(runtime: Path) -> set[str]:
    """Everything a start could leave.  What other tests left of it may go at any time."""
    gc.collect()
    data = Path(os.environ["PYROOTLESS_ROOT"])
    places = [runtime / "running", runtime / "containers", data / "containers", data / "names"]
    places += [data / "tmp", data / "trash"]
    found = {str(path) for place in places if place.exists() for path in place.iterdir()}
    found |= {f"descriptor {number}" for number in os.listdir("/proc/self/fd")}
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found |= {line for line in mounts if str(runtime) in line or str(data) in line}
    found |= {f"process {pid}" for pid in children()}
    groups = Path("/sys/fs/cgroup").rglob(OWN_GROUP)
    return found | {str(one) for one in groups if os.access(one, os.W_OK)}


def resident_bytes() -> int:
    """What of this process is in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def start(code: int, **options: object) -> pyrootless.Child:
    """A container that reads a line and ends with a code."""
    script = f"read line; exit {code}"
    return pyrootless.launch("host", ["sh", "-c", script], stdin=PIPE, **options)  # type: ignore[arg-type]


def finish(child: pyrootless.Child) -> int | None:
    """Let it go on to its end; its exit code."""
    with child:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.close()
        return child.wait().exit_code


def one_by_one(count: int, **options: object) -> list[tuple[int, int | None]]:
    """(wanted, got) where they differ."""
    got = ((number % 256, finish(start(number % 256, **options))) for number in range(count))
    return [pair for pair in got if pair[0] != pair[1]]


def test_one_after_another(engine: Path) -> None:
    assert one_by_one(50) == []  # what is made once is made: caches, pools, threads
    before, resident = there_now(engine), resident_bytes()
    assert one_by_one(IN_A_LOOP) == []
    assert there_now(engine) - before == set()
    assert resident_bytes() - resident < GROWTH_BYTES


def test_with_limits(engine: Path) -> None:
    limits: dict[str, object] = {"memory": "256m", "pids_limit": 20, "limits": "best-effort"}
    assert one_by_one(5, **limits) == []
    before, resident = there_now(engine), resident_bytes()
    assert one_by_one(max(20, IN_A_LOOP // 10), **limits) == []
    assert there_now(engine) - before == set()
    assert resident_bytes() - resident < GROWTH_BYTES


def test_at_once(engine: Path) -> None:
    assert one_by_one(1) == []
    before = there_now(engine)
    running = [start(number % 256) for number in range(AT_ONCE)]
    assert len({child.pid for child in running}) == AT_ONCE
    assert [finish(child) for child in running] == [n % 256 for n in range(AT_ONCE)]
    assert there_now(engine) - before == set()


def test_killed_at_once(engine: Path) -> None:
    assert one_by_one(1) == []
    before = there_now(engine)
    running = [start(0) for _ in range(AT_ONCE)]
    for child in running:
        child.kill()
    assert {child.wait().signal for child in running} == {9}
    for child in running:
        child.close()
    assert there_now(engine) - before == set()


@pytest.mark.parametrize("kind", ["kept", "thrown away"])
def test_by_the_launcher(engine: Path, pyrootless: Callable[..., object], kind: str) -> None:
    options = ["--rm"] if kind == "kept" else ["--rm", "--ephemeral"]
    pyrootless("run", *options, "host", "true")
    before = there_now(engine)
    for number in range(max(20, IN_A_LOOP // 10)):
        done = pyrootless("run", *options, "host", "sh", "-c", f"exit {number % 256}")
        assert done.returncode == number % 256  # type: ignore[attr-defined]
    assert there_now(engine) - before == set()
