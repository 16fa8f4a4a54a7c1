"""What a container that does nothing keeps of the machine's memory, its monitor included.

In: a place.  Out: for each way to have one, bytes per container: the proportional share of all
its processes (PSS), and what the kernel charged a control group for it, its own memory
included, where one can be had.
Never: a process of another's among them; a container that stays.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import background
import machine
import peers

COUNT = 20
SETTLE_SECONDS = 0.5
Start = Callable[[peers.Place, Mapping[str, str], ExitStack], None]


@dataclass(frozen=True)
class Idle:
    """Per container, bytes; None: not to be had.  `processes` as the host counts them."""

    name: str
    count: int
    pss_bytes: int | None
    charged_bytes: int | None
    processes: float
    error: str = ""


def _front(*argv: str) -> Start:
    """Something that stays in front while its program runs."""

    def start(place: peers.Place, env: Mapping[str, str], stack: ExitStack) -> None:
        quiet = subprocess.DEVNULL
        words = [word.replace("{rootfs}", str(place.rootfs)) for word in argv]
        words = [word.replace("{busybox}", str(place.busybox)) for word in words]
        words = [word.replace("{floor}", str(place.floor)) for word in words]
        child = subprocess.Popen(words, env=dict(env), stdin=quiet, stdout=quiet, stderr=quiet)

        def end() -> None:
            for pid in reversed(descendants(child.pid)):
                _kill(pid)
            child.kill()
            child.wait()

        stack.callback(end)

    return start


def _kept(starter: background.Starter) -> Start:
    """The containers of background.py."""

    def start(place: peers.Place, env: Mapping[str, str], stack: ExitStack) -> None:
        starter(place, env, stack)

    return start


_BWRAP = ("bwrap", "--unshare-all", "--ro-bind", "{rootfs}", "/", "--proc", "/proc", "--dev")
KINDS: tuple[tuple[str, Start], ...] = (
    ("sleep alone", _front("{busybox}", *background.SLEEP[1:])),
    ("floor", _front("{floor}", "{busybox}", *background.SLEEP[1:])),
    ("bwrap", _front(*_BWRAP, "/dev", "/bin/busybox", *background.SLEEP[1:])),
    ("crun --detach", _kept(background.crun)),
    ("podman -d", _kept(background.podman)),
    ("pyrootless -d", _kept(background.pyrootless)),
)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass


def descendants(pid: int) -> list[int]:
    """All processes below one, parents before children.  Source: proc_tid_children(5)."""
    found = []
    for task in _tasks(pid):
        try:
            words = Path(task, "children").read_text().split()
        except OSError:
            continue
        for child in map(int, words):
            found += [child, *descendants(child)]
    return found


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def pss_bytes(pids: list[int]) -> int | None:
    """Sum of the proportional shares; None when one cannot be read."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            return None
        total += 1024 * sum(
            int(row.split()[1]) for row in text.splitlines() if row.startswith("Pss:")
        )
    return total


@contextmanager
def charged_group() -> Iterator[Path | None]:
    """A control group of our own, whose memory is only counted."""
    parent = machine.memory_parent()
    if parent is None:
        yield None
        return
    group = parent / f"pyrootless-bench-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    try:
        yield group
    finally:
        # podman leaves one for good
        move((group / "cgroup.procs").read_text().split(), parent)
        group.rmdir()


def move(pids: Iterable[str], group: Path) -> None:
    """These processes into a group, as far as they are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(pid)


def _charge(group: Path) -> int:
    for name in ("memory.usage_in_bytes", "memory.current"):
        if (group / name).exists():
            return int((group / name).read_text())
    return 0


@contextmanager
def _inside(group: Path | None) -> Iterator[None]:
    """This process, and so what it starts, in the group; memory of before stays outside."""
    if group is None:
        yield
        return
    procs = group / "cgroup.procs"
    procs.write_text(str(os.getpid()))
    try:
        yield
    finally:
        (group.parent / "cgroup.procs").write_text(str(os.getpid()))


def measure(place: peers.Place, env: Mapping[str, str], count: int = COUNT) -> list[Idle]:
    """Each kind by itself, `count` of them at a time."""
    return [_measure_kind(name, start, place, env, count) for name, start in KINDS]


def _measure_kind(
    name: str, start: Start, place: peers.Place, env: Mapping[str, str], count: int
) -> Idle:
    before = set(descendants(os.getpid()))
    with charged_group() as group, ExitStack() as stack:
        try:
            with _inside(group):
                start(place, env, stack)  # what the first one brings is everybody's
                time.sleep(SETTLE_SECONDS)
                first = [pid for pid in descendants(os.getpid()) if pid not in before]
                empty = _charge(group) if group else 0
                for _ in range(count):
                    start(place, env, stack)
        except (background.BackgroundError, OSError) as error:
            return Idle(name, count, None, None, 0, str(error))
        time.sleep(SETTLE_SECONDS)
        known = before | set(first)
        pids = [pid for pid in descendants(os.getpid()) if pid not in known]
        share = pss_bytes(pids)
        return Idle(
            name,
            count,
            None if share is None else share // count,
            max(0, _charge(group) - empty) // count if group else None,
            round(len(pids) / count, 2),
        )


def describe(found: list[Idle]) -> str:
    """A table for people."""
    lines = [f"an idle container, KiB ({COUNT} of each at a time)", ""]
    lines.append(f"{'':14}{'PSS':>9}{'charged':>9}{'processes':>11}")
    for row in found:
        cells = [
            "-" if value is None else f"{value / 1024:.0f}"
            for value in (row.pss_bytes, row.charged_bytes)
        ]
        text = f"{row.name:14}{cells[0]:>9}{cells[1]:>9}{row.processes:>11}"
        lines.append(f"{text}  {row.error}".rstrip())
    lines += [
        "",
        "PSS: of all its processes; charged: to a control group, the kernel's too",
    ]
    return "\n".join(lines) + "\n"


def as_rows(found: list[Idle]) -> list[dict[str, object]]:
    """For the document."""
    return [asdict(row) for row in found]
