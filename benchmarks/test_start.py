"""Latency of starts, by groups: pytest-benchmark's tables, histograms and comparisons.

In: commands of peers.py and background.py by name, the library's own calls.
Out: one group for each way of starting, every peer that is installed in it.
Never: a time of what follows a start: rounds are single starts, and each waits for what the one
before it left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import harness
import inproc
import machine
import peers
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import pyrootless
from pyrootless.sandbox import Outcome, ReadyBoxes, run

ROUNDS = 40
WARM_UP = 3
PEERS = ("bwrap", "crun", "runc", "podman")
TRUE = ("busybox", "true")
PYTHON = ("python3", "-c", "print(1)")
GROUPS = {
    "ephemeral": ("floor", "pyrootless", "pyrootless-init", "pyrootless-rootfs", *PEERS),
    "kept": ("pyrootless-disk", *PEERS),
    "many ids": ("pyrootless-range", "pyrootless-range-holder", *PEERS),
    "limits": (f"pyrootless-limits-{machine.delegated_version() or 'none'}", *PEERS),
    "exec": ("pyrootless-exec", "nsenter", *(f"{name}-exec" for name in PEERS[1:])),
}
ROWS = [
    pytest.param(
        name, id=f"{group.replace(' ', '-')}-{name}", marks=pytest.mark.benchmark(group=group)
    )
    for group, names in GROUPS.items()
    for name in names
]


def measure(
    benchmark: BenchmarkFixture, start: Callable[[], None], settle: Callable[[], object]
) -> None:
    """ROUNDS single starts, and `settle` before each, outside of the timing."""

    def setup() -> None:
        settle()

    pedantic: Callable[..., object] = benchmark.pedantic
    pedantic(start, setup=setup, rounds=ROUNDS, warmup_rounds=WARM_UP)


@pytest.mark.parametrize("command", ROWS)
def test_command(
    benchmark: BenchmarkFixture,
    command: str,
    start: Callable[[], None],
    orphans: harness.Orphans,
) -> None:
    measure(benchmark, start, orphans.collect)
    orphans.collect()


# --- in this process -------------------------------------------------------------------------


@pytest.fixture
def library(
    request: pytest.FixtureRequest, place: peers.Place, in_store: Path
) -> Iterator[Callable[[], None]]:
    """One way for a Python program to start something."""
    kind = request.param
    with ExitStack() as stack:
        if kind == "pool":
            pool = stack.enter_context(pyrootless.Pool("host", size=2))

            def from_pool() -> None:
                assert pool.run(TRUE).exit_code == 0

            yield from_pool
        elif kind == "floor":
            yield inproc.by_floor(place.shared, (str(place.busybox), "true"))
        elif kind in ("run", "launch"):
            yield (inproc.by_run if kind == "run" else inproc.by_launch)(TRUE)
        else:
            [peer] = [row for row in _peers(place) if row.name == kind]
            if peer.unavailable:
                pytest.skip(peer.unavailable)
            yield _tried(inproc.by_subprocess(peer.argv))


def _peers(place: peers.Place) -> list[harness.Candidate]:
    return [*peers.namespaces(place), *peers.runtimes(place)]


def _tried(start: Callable[[], None]) -> Callable[[], None]:
    try:
        start()
    except inproc.StartError as error:
        pytest.skip(str(error))
    return start


@pytest.mark.benchmark(group="in-process")
@pytest.mark.parametrize("library", ["floor", "run", "launch", *PEERS], indirect=True)
def test_in_process(
    benchmark: BenchmarkFixture, library: Callable[[], None], orphans: harness.Orphans
) -> None:
    measure(benchmark, library, orphans.collect)


@pytest.mark.benchmark(group="pool")
@pytest.mark.parametrize("library", ["floor", "pool", "run", *PEERS], indirect=True)
def test_pool(benchmark: BenchmarkFixture, library: Callable[[], None]) -> None:
    """What fills the pool again is not waited for, and its children are the pool's."""
    measure(benchmark, library, lambda: None)


# --- the sandbox -----------------------------------------------------------------------------


@pytest.fixture
def box(request: pytest.FixtureRequest, in_store: Path) -> Iterator[Callable[[], Outcome]]:
    """A run in a new box, in one that waits, and of a Python that waits in one."""
    kind = request.param
    if kind == "new":
        yield lambda: run(TRUE)
        return
    warm, program = kind == "warm", PYTHON if kind == "warm" else TRUE
    with ReadyBoxes(size=2, warm=warm) as boxes:
        yield lambda: boxes.run(program)


def measure_box(benchmark: BenchmarkFixture, box: Callable[[], Outcome]) -> None:
    """Runs that end well."""

    def start() -> None:
        assert box().ok

    measure(benchmark, start, lambda: None)


@pytest.mark.benchmark(group="sandbox")
@pytest.mark.parametrize("box", ["new", "ready"], indirect=True)
def test_sandbox(benchmark: BenchmarkFixture, box: Callable[[], Outcome]) -> None:
    measure_box(benchmark, box)


@pytest.mark.benchmark(group="sandbox")
@pytest.mark.parametrize("library", PEERS, indirect=True)
def test_sandbox_peer(
    benchmark: BenchmarkFixture, library: Callable[[], None], orphans: harness.Orphans
) -> None:
    measure(benchmark, library, orphans.collect)


@pytest.mark.benchmark(group="warm sandbox")
@pytest.mark.parametrize("box", ["warm"], indirect=True)
def test_warm_sandbox(benchmark: BenchmarkFixture, box: Callable[[], Outcome]) -> None:
    measure_box(benchmark, box)


@pytest.mark.benchmark(group="warm sandbox")
def test_bare_python(benchmark: BenchmarkFixture) -> None:
    """The same program by the same interpreter without any box."""
    measure(benchmark, inproc.by_subprocess(PYTHON), lambda: None)
