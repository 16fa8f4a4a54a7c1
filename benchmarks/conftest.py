"""What the benchmarks of `pytest benchmarks/` share: a place, a store, commands by name.

In: an ordinary user, the launcher of this interpreter.  Out: fixtures; everything that is not
timed is made here.
Never: a store other than one made for the run; a peer's failure taken for ours: it is a skip.

These are for a contributor's own comparisons (method.md, "pytest benchmarks/"); published
ratios come from bench.py, which takes all candidates in turns.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import background
import bench
import harness
import peers
import pytest
import scenarios

Timed = Callable[[], None]
BASE = Path(os.environ.get("PYROOTLESS_BENCH_WORK", "/var/tmp"))


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Place]:
    """The floor, a small root file system, bundles.  Not in /tmp: a store belongs on a disk."""
    if os.getuid() == 0:
        pytest.skip("root needs no user namespace: benchmarks run as an ordinary user")
    base = BASE / f"pyrootless-bench-{os.getuid()}-{os.getpid()}"
    base.mkdir(mode=0o700)
    try:
        yield peers.prepare(base, bench.found_launcher(), Path(sys.executable))
    except peers.PeersError as error:
        pytest.skip(str(error))
    finally:
        remove(base)


def remove(base: Path) -> None:
    """Files of other ids too."""
    words = (str(bench.found_launcher()), "unshare", "--", "rm", "-rf", str(base))
    os.spawnv(os.P_WAIT, words[0], list(words))
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def env(place: peers.Place) -> dict[str, str]:
    """Of every command; the image `host` is prepared in its store."""
    found = scenarios.environment(place, os.environ)
    bench.prepare_host(place, found)
    return found


@pytest.fixture(scope="session")
def in_store(env: Mapping[str, str]) -> Iterator[Path]:
    """This process uses the same store.  Gives it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PYROOTLESS_ROOT", "PYROOTLESS_HOLDER_IDLE"):
            patch.setenv(name, env[name])
        yield Path(env["PYROOTLESS_ROOT"])


@pytest.fixture(scope="session")
def orphans() -> harness.Orphans:
    """What starts leave behind comes to this process."""
    harness.become_subreaper()
    return harness.Orphans()


@pytest.fixture(scope="session")
def commands(
    place: peers.Place, env: Mapping[str, str], orphans: harness.Orphans
) -> Iterator[Callable[[str], harness.Candidate]]:
    """A candidate by its name; the container of an exec is started when it is asked for."""
    rows = [*peers.floors(place), *peers.namespaces(place), *peers.runtimes(place)]
    rows += [*peers.launcher(place), *peers.kept(place)]
    known = {row.name: row for row in rows}
    starters = {name: starter for name, starter, _ in background.EXEC}
    with ExitStack() as stack:

        def find(name: str) -> harness.Candidate:
            if name not in known:
                known[name] = harness.Candidate(name, _exec(starters[name], place, env, stack))
                for pid in harness.child_pids():  # the container stays
                    orphans.ignore(pid)
            return known[name]

        yield find


def _exec(
    starter: background.Starter, place: peers.Place, env: Mapping[str, str], stack: ExitStack
) -> tuple[str, ...]:
    try:
        return starter(place, env, stack)
    except background.BackgroundError as error:
        if starter is background.pyrootless:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def spawner(env: Mapping[str, str]) -> Iterator[harness.Spawner]:
    """Starts all commands in the same way."""
    found = harness.Spawner(env)
    yield found
    found.close()


@pytest.fixture
def start(
    request: pytest.FixtureRequest,
    commands: Callable[[str], harness.Candidate],
    spawner: harness.Spawner,
) -> Timed:
    """The command of the test's parameter `command`, started once and found to work."""
    candidate = commands(request.getfixturevalue("command"))
    if candidate.unavailable:
        pytest.skip(candidate.unavailable)

    def run() -> None:
        spawner.measure(candidate.argv)

    try:
        run()
    except harness.BenchError as error:
        if candidate.name.startswith("pyrootless"):
            raise
        pytest.skip(str(error))
    return run
