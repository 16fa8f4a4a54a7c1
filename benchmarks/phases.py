"""Where a launch spends its time: PYROOTLESS_TRACE=1, many times.

In: a place.  Out: for each step of the launch, nanoseconds: median, 10th and 90th percentile.
Never: a step that only some starts have.
"""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import peers
from harness import percentile

ROW = re.compile(r"^pyrootless: trace: (launcher|child|both) +([a-z]+) +(\d+\.\d) us$")
SECONDS = 60.0


@dataclass(frozen=True)
class Phase:
    """One step.  `who`: launcher, child, or both (the sum)."""

    who: str
    step: str
    median_ns: int
    p10_ns: int
    p90_ns: int


def trace(argv: list[str], env: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """(who, step) → nanoseconds of one start; steps of one name are added up.

    Raises CalledProcessError.
    """
    done = subprocess.run(
        argv,
        env={**env, "PYROOTLESS_TRACE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    steps: dict[tuple[str, str], int] = {}
    for row in filter(None, map(ROW.match, done.stderr.splitlines())):
        key = (row[1], row[2])
        steps[key] = steps.get(key, 0) + round(float(row[3]) * 1000)
    return steps


def measure(place: peers.Place, env: Mapping[str, str], rounds: int) -> list[Phase]:
    """The steps of a throw-away start, in their order."""
    words = ["run", "--rm", "--ephemeral", "host", "busybox", "true"]
    argv = [str(place.launcher), *words]
    trace(argv, env)  # the first of its kind has other steps than those that are like it
    samples = [trace(argv, env) for _ in range(rounds)]
    steps = [key for key in samples[0] if all(key in sample for sample in samples)]
    return [_phase(key, [sample[key] for sample in samples]) for key in steps]


def _phase(key: tuple[str, str], values: list[int]) -> Phase:
    median = round(statistics.median(values))
    return Phase(*key, median, percentile(values, 0.10), percentile(values, 0.90))


def describe(found: list[Phase]) -> str:
    """A table for people."""
    lines = ["where a throw-away start spends its time, µs", ""]
    lines.append(f"{'':20}{'median':>10}{'p10':>10}{'p90':>10}")
    for row in found:
        cells = "".join(f"{ns / 1000:>10.1f}" for ns in (row.median_ns, row.p10_ns, row.p90_ns))
        lines.append(f"{row.who:9}{row.step:11}{cells}")
    return "\n".join(lines) + "\n"


def as_rows(found: list[Phase]) -> list[dict[str, object]]:
    """For the document."""
    return [asdict(row) for row in found]
