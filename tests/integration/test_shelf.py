"""A shelf of ready boxes: each run has its own kind of box, and nothing is left there."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyrootless.sandbox import Limits, Outcome, Sandbox
from pyrootless.sandbox.warm.kinds import Shelf

pytestmark = pytest.mark.usefixtures("engine")

WALL = "60s"
EAT = "x = bytearray(96 << 20); print(len(x) >> 20)"


def children() -> set[str]:
    """Of any thread of this process."""
    found: set[str] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended
            found |= {*path.read_text().split()}
    return found


def test_each_run_has_the_limits_it_asked_for() -> None:
    """Two kinds, in turns: the first of each is direct, the others wait ready."""
    before = children()
    with Shelf(1) as shelf:
        box = Sandbox(shelf=shelf)
        limits = [Limits(cpu="9s", wall=WALL, memory=memory) for memory in ("32M", "256M")]
        outcomes = [box.run(["python3", "-c", EAT], limits=limits[n % 2]) for n in range(8)]
        while not children() - before:  # the next box is being made
            pass
    assert [outcome.verdict.name for outcome in outcomes] == ["MLE", "OK"] * 4
    assert [outcome.stdout for outcome in outcomes[1::2]] == [b"96\n"] * 4
    assert children() - before == set()


def test_a_run_has_its_own_time_output_files_and_environment() -> None:
    with Shelf(1) as shelf:
        box = Sandbox(shelf=shelf, env={"PATH": "/usr/bin", "X": "y"})
        script = "echo $X $1; cat in - > out; head -c $2 /dev/zero >&2"
        limits = Limits(wall=WALL, output="1K")

        def run(number: int) -> Outcome:
            words = ["sh", "-c", script, "sh", str(number), str(2000 * (number % 2))]
            return box.run(
                words,
                files={"in": b"file"},
                stdin=b"%d" % number,
                limits=limits,
                collect=["out"],
            )

        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(run, range(12)))
    assert [outcome.verdict.name for outcome in outcomes] == ["OK", "OLE"] * 6
    assert [o.stdout for o in outcomes] == [b"y %d\n" % n for n in range(12)]
    assert [outcomes[n].files for n in (0, 4)] == [{"out": b"file0"}, {"out": b"file4"}]


def test_what_is_lent_or_may_not_wait_is_run_directly() -> None:
    before = children()
    ends = os.pipe2(os.O_CLOEXEC)
    os.write(ends[1], b"lent")
    os.close(ends[1])
    with Shelf(1) as shelf, os.fdopen(ends[0], "rb") as stdin:
        box = Sandbox(shelf=shelf, limits=Limits(wall=WALL))
        assert box.run(["cat"], stdin=stdin.fileno()).stdout == b"lent"
        few = Limits(wall=WALL, open_files=8)
        assert [box.run(["true"], limits=few).ok for _ in range(3)] == [True] * 3
        assert children() - before == set()
    assert box.run(["true"]).ok, "a closed shelf has no boxes, and runs go on"
