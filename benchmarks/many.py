"""Many containers: how many a second, at once, beside stopped ones, and what an idle one keeps.

In: a place.  Out: rows of plain numbers for many.json, and their tables.
Never: an interpreter between two starts: the static floor program (floor.c) starts them.
"""

from __future__ import annotations

import os
import select
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import peers

LAUNCHERS = (1, 2, 4, 8)
AT_ONCE = (100, 500)
STOPPED = (0, 100, 1000, 10_000)
STARTS_A_BLOCK = 40
BLOCKS = 5
SECONDS = 300.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Throughput:
    """Starts a second of one command line at one number of launchers: each block's."""

    name: str
    launchers: int
    per_second: tuple[float, ...]
    error: str = ""

    @property
    def median(self) -> float | None:
        """None: it does not work."""
        return round(statistics.median(self.per_second), 1) if self.per_second else None


@dataclass(frozen=True)
class Burst:
    """So many at once: how many ended well, and when the last one had."""

    name: str
    count: int
    succeeded: int
    wall_ns: int
    error: str = ""


def rows(place: peers.Place) -> list[tuple[str, tuple[str, ...]]]:
    """Name and command line; "{}" in a word is another text for each start."""
    bundle, state = place.base / "crun", place.base / "crun-state"
    crun = ("crun", "--cgroup-manager=disabled", f"--root={state}", "run", f"--bundle={bundle}")
    chosen = {row.name: row for row in (*peers.floors(place), *peers.namespaces(place))}
    own = {row.name: row for row in peers.launcher(place)}
    found = [
        ("spawn", chosen["spawn"].argv),
        ("floor", chosen["floor"].argv),
        ("bwrap", chosen["bwrap"].argv),
        ("crun", (shutil.which(crun[0]) or crun[0], *crun[1:], "bench-{}")),
        ("pyrootless", own["pyrootless"].argv),
        ("pyrootless-range", own["pyrootless-range-holder"].argv),
    ]
    return [(name, argv) for name, argv in found if shutil.which(argv[0])]


class _Loop:
    """One launcher: `floor --serve --spawn`, which makes a start for each line."""

    def __init__(self, place: peers.Place, argv: Sequence[str], env: Mapping[str, str]) -> None:
        words = [str(place.floor), "--spawn", "--serve", *argv]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            words, env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
        )

    def ask(self, starts: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n" * starts)

    def answers(self, starts: int) -> str:
        """Wait for so many.  Returns why not, or ""."""
        assert self._process.stdout is not None
        count, until = 0, time.monotonic() + SECONDS
        while count < starts:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return f"no answer within {SECONDS:g} s"
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                assert self._process.stderr is not None
                return self._process.stderr.read().decode(errors="replace").strip()[-500:]
            count += chunk.count(b"\n")
        return ""

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        self._process.wait()


def measure_throughput(
    place: peers.Place, env: Mapping[str, str], blocks: int, tell: Tell
) -> list[Throughput]:
    """Blocks of starts, the command lines in turns."""
    gathered: dict[tuple[str, int], list[float]] = {}
    errors: dict[tuple[str, int], str] = {}
    wanted = [(name, argv, n) for n in LAUNCHERS for name, argv in rows(place)]
    for block in range(blocks):
        tell(f"throughput: block {block + 1} of {blocks}")
        for name, argv, launchers in wanted[:: 1 if block % 2 == 0 else -1]:
            rate, error = _one_block(place, argv, env, launchers)
            gathered.setdefault((name, launchers), [])
            if error:
                errors.setdefault((name, launchers), error)
            else:
                gathered[name, launchers].append(round(rate, 1))
    return [
        Throughput(name, n, tuple(found), errors.get((name, n), ""))
        for (name, n), found in gathered.items()
    ]


def _one_block(
    place: peers.Place, argv: Sequence[str], env: Mapping[str, str], launchers: int
) -> tuple[float, str]:
    """(starts a second, why there are none)."""
    loops = []
    for number in range(launchers):
        loops.append(_Loop(place, [word.replace("{}", str(number)) for word in argv], env))
    try:
        for loop in loops:
            loop.ask(1)  # warm
        error = next((text for loop in loops if (text := loop.answers(1))), "")
        each = STARTS_A_BLOCK // launchers
        begin_ns = time.perf_counter_ns()
        if not error:
            for loop in loops:
                loop.ask(each)
            error = next((text for loop in loops if (text := loop.answers(each))), "")
        wall_ns = time.perf_counter_ns() - begin_ns
    finally:
        for loop in loops:
            loop.close()
    return each * launchers / wall_ns * 1e9, error


def measure_bursts(place: peers.Place, env: Mapping[str, str], tell: Tell) -> list[Burst]:
    """All started at once, then waited for."""
    found = []
    for count in AT_ONCE:
        for name, argv in rows(place):
            if name == "spawn":
                continue
            tell(f"{count} at once: {name}")
            found.append(_burst(name, argv, env, count))
    return found


def _burst(name: str, argv: Sequence[str], env: Mapping[str, str], count: int) -> Burst:
    begin_ns = time.perf_counter_ns()
    started = []
    for number in range(count):
        words = [word.replace("{}", str(number)) for word in argv]
        quiet = subprocess.DEVNULL
        started.append(
            subprocess.Popen(
                words, env=dict(env), stdin=quiet, stdout=quiet, stderr=subprocess.PIPE
            )
        )
    error, good = "", 0
    for child in started:
        _, text = child.communicate(timeout=SECONDS)
        good += child.returncode == 0
        if child.returncode != 0 and not error:
            error = text.decode(errors="replace").strip()[-300:]
    return Burst(name, count, good, time.perf_counter_ns() - begin_ns, error)


def make_stopped(store: Path, launcher: Path, env: Mapping[str, str], count: int) -> None:
    """A store with `count` stopped containers: one that was run, and copies of it.

    Raises CalledProcessError.
    """
    base = [str(launcher), "run", f"--root={store}"]
    quiet = {"env": dict(env), "capture_output": True, "check": True, "timeout": SECONDS}
    subprocess.run([*base, "--rm", "host", "true"], **quiet)  # type: ignore[call-overload]
    if count == 0:
        return
    subprocess.run([*base, "host", "true"], **quiet)  # type: ignore[call-overload]
    [first] = list((store / "containers").iterdir())
    for number in range(1, count):
        copy = first.with_name(f"{number:064x}")
        copy.mkdir(mode=0o700)
        for file in first.iterdir():
            if file.is_dir():
                (copy / file.name).mkdir()
            else:
                os.link(file, copy / file.name)


def describe(throughput: Sequence[Throughput], bursts: Sequence[Burst]) -> str:
    """Two tables for people."""
    names = list(dict.fromkeys(row.name for row in throughput))
    width = max(len(name) for name in names)
    lines = ["containers a second, by the number of launchers (median of the blocks)", ""]
    lines.append(f"{'':{width}}" + "".join(f"{n:>9}" for n in LAUNCHERS))
    rates = {(row.name, row.launchers): row.median for row in throughput}
    for name in names:
        cells = "".join(f"{rates.get((name, n)) or '-':>9}" for n in LAUNCHERS)
        lines.append(f"{name:{width}}{cells}")
    lines += ["", "all at once: seconds until the last has ended (how many ended well)", ""]
    lines.append(f"{'':{width}}" + "".join(f"{n:>16}" for n in AT_ONCE))
    for name in names[1:]:
        own = [row for row in bursts if row.name == name]
        text = "".join(f"{row.wall_ns / 1e9:>9.2f} ({row.succeeded:>4})" for row in own)
        lines.append(f"{name:{width}}{text}")
    told = [(row.name, row.error) for row in throughput] + [
        (row.name, row.error) for row in bursts
    ]
    for name, error in told:
        if error:
            lines.append(f"not every time: {name}: {' '.join(error.split())[:200]}")
    return "\n".join(lines) + "\n"


def as_rows(found: Sequence[Throughput | Burst]) -> list[dict[str, object]]:
    """For the document."""
    return [asdict(row) | ({"median": row.median} if isinstance(row, Throughput) else {})
            for row in found]  # fmt: skip
