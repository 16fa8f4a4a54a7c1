"""The scenarios of `make bench`: one row each, in the order in which they run.

In: a place, options.  Out: a document for each, its table printed.
Never: a command line: those are rows of peers.py and background.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import background
import harness
import idle
import limits_v2
import machine
import many
import peers
import phases
import report
from harness import Candidate

Rows = Callable[["Bench", ExitStack], Sequence[Candidate]]


@dataclass(frozen=True)
class Bench:
    """What every scenario gets.

    Attributes:
        place: where the candidates live.
        plan: rounds, warm-up, pause.
        env: the environment of everything that is started.
        only: names of candidates; empty: all.
        tell: a line for whoever waits.
    """

    place: peers.Place
    plan: harness.Plan
    env: Mapping[str, str]
    only: frozenset[str]
    tell: Callable[[str], None]


@dataclass(frozen=True)
class Scenario:
    """One document.  `run` gives it, or None when --only leaves nothing of it."""

    name: str
    title: str
    run: Callable[[Bench, str, str], dict[str, object] | None]


def machine_facts(bench: Bench) -> dict[str, object]:
    """What the numbers were made on."""
    return machine_facts_of(bench.place, bench.env)


def machine_facts_of(place: peers.Place, env: Mapping[str, str]) -> dict[str, object]:
    """The same for a place."""
    runtime = Path(env.get("XDG_RUNTIME_DIR", "/tmp"))
    places = {"store": place.base, "tmp": Path("/tmp"), "runtime": runtime}
    versions = {**peers.VERSIONS, "pyrootless": (str(place.launcher), "--version")}
    return machine.facts(places, versions)


def names(bench: Bench) -> dict[str, str]:
    """Directory → what stands for it in documents."""
    return {str(bench.place.base): "$WORK", str(peers.HERE.parent): "$CHECKOUT"}


def measure_rows(
    bench: Bench, about: report.Scenario, rows: Sequence[Candidate]
) -> dict[str, object]:
    """Rounds, memory, table.  Returns the document."""
    before = machine.load()
    gathered = harness.run_rounds(rows, bench.plan, bench.env, bench.tell)
    after = machine.load()
    for series in gathered:
        harness.measure_memory(series, bench.place.floor, bench.env)
    facts = {**machine_facts(bench), "load_before": before, "load_after": after}
    print(report.table(about, gathered), flush=True)
    return report.document(about, bench.plan, gathered, facts, names(bench))


def in_rounds(rows: Rows, *bases: str) -> Callable[[Bench, str, str], dict[str, object] | None]:
    """A scenario whose candidates take turns."""

    def run(bench: Bench, name: str, title: str) -> dict[str, object] | None:
        with ExitStack() as stack:
            found = [
                row for row in rows(bench, stack) if not bench.only or row.name in bench.only
            ]
            if not found:
                return None
            return measure_rows(bench, report.Scenario(name, title, bases), found)

    return run


def by_name(rows: Sequence[Candidate], *wanted: str) -> list[Candidate]:
    """These rows, in this order."""
    known = {row.name: row for row in rows}
    return [known[name] for name in wanted]


def throw_away(bench: Bench, stack: ExitStack) -> Sequence[Candidate]:
    """The command line beside its floors and peers."""
    place = bench.place
    lines = [*peers.floors(place), *peers.namespaces(place), *peers.runtimes(place)]
    own = ("pyrootless", "pyrootless-init", "pyrootless-rootfs", "pyrootless-dynamic")
    return [*lines, *by_name(peers.launcher(place), *own)]


def kept(bench: Bench, stack: ExitStack) -> Sequence[Candidate]:
    """Upper on disk, many ids, a network, limits."""
    place = bench.place
    base = by_name([*peers.floors(place), *peers.namespaces(place)], "floor", "bwrap")
    return [*base, *by_name(peers.launcher(place), "pyrootless"), *peers.kept(place)]


def in_process(bench: Bench, stack: ExitStack) -> Sequence[Candidate]:
    """Starts made by a Python process."""
    rows = peers.in_process(bench.place, machine.available_memory_bytes())
    return [row for row in rows if row.name != "python-pool"]


def prepared(bench: Bench, stack: ExitStack) -> Sequence[Candidate]:
    """Starts from what was set up before."""
    rows = peers.in_process(bench.place, machine.available_memory_bytes())
    return by_name(rows, "python-floor", "python-pool", "python-run-0")


def execs(bench: Bench, stack: ExitStack) -> Sequence[Candidate]:
    """One more program in a container that runs."""
    spawns = by_name(peers.floors(bench.place), "spawn", "spawn-dynamic", "floor-exec")
    return [*spawns, *background.exec_candidates(bench.place, bench.env, stack)]


def stopped(bench: Bench, stack: ExitStack) -> Sequence[Candidate]:
    """The same start in stores with more and more stopped containers."""
    if peers.launcher_missing(bench.place):
        return []
    rows = []
    for count in many.STOPPED:
        store = bench.place.base / f"stopped-{count}"
        bench.tell(f"a store with {count} stopped containers")
        many.make_stopped(store, bench.place.launcher, bench.env, count)
        words = ("--rm", "--ephemeral", f"--root={store}", "host", "busybox", "true")
        rows.append(Candidate(f"stopped-{count}", (str(bench.place.launcher), "run", *words)))
    return rows


def run_many(bench: Bench, name: str, title: str) -> dict[str, object] | None:
    """Throughput, bursts, idle containers."""
    if bench.only:
        return None
    blocks = max(2, bench.plan.rounds // 20)
    rates = many.measure_throughput(bench.place, bench.env, blocks, bench.tell)
    bursts = many.measure_bursts(bench.place, bench.env, bench.tell)
    bench.tell("idle containers")
    still = idle.measure(bench.place, bench.env)
    print(many.describe(rates, bursts), idle.describe(still), sep="\n", flush=True)
    return {
        "format": report.FORMAT,
        "scenario": name,
        "title": title,
        "machine": machine_facts(bench),
        "throughput": many.as_rows(rates),
        "at_once": many.as_rows(bursts),
        "idle": idle.as_rows(still),
    }


def run_phases(bench: Bench, name: str, title: str) -> dict[str, object] | None:
    """Steps of a throw-away start."""
    if bench.only or peers.launcher_missing(bench.place):
        return None
    found = phases.measure(bench.place, bench.env, bench.plan.rounds)
    print(phases.describe(found), flush=True)
    return {
        "format": report.FORMAT,
        "scenario": name,
        "title": title,
        "rounds": bench.plan.rounds,
        "machine": machine_facts(bench),
        "phases": phases.as_rows(found),
    }


def run_limits(bench: Bench, name: str, title: str) -> dict[str, object] | None:
    """Limits of version 2; nothing where they are not delegated."""
    rows = limits_v2.rows(bench.place)
    if bench.only or not rows:
        return None
    document = measure_rows(bench, report.Scenario(name, title, ("floor", "pyrootless")), rows)
    return {**document, "emulated": limits_v2.is_emulated()}


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "launch_throwaway",
        "start `busybox true` in a throw-away container and wait for it: command line",
        in_rounds(throw_away, "spawn", "floor", "bwrap", "crun"),
    ),
    Scenario(
        "launch_kept",
        "the same with an upper on disk, many ids, a network, limits",
        in_rounds(kept, "floor", "bwrap", "pyrootless"),
    ),
    Scenario(
        "inproc",
        "start `busybox true` in a container and wait for it: from inside a process",
        in_rounds(in_process, "c-floor", "python-floor", "python-run-0", "python-bwrap"),
    ),
    Scenario(
        "prepared",
        "the same from a container that was set up before",
        in_rounds(prepared, "python-floor", "python-run-0"),
    ),
    Scenario(
        "exec",
        "start `busybox true` in a container that runs, and wait for it",
        in_rounds(execs, "spawn", "floor-exec", "crun-exec", "podman-exec"),
    ),
    Scenario(
        "stopped",
        "a throw-away start beside stopped containers",
        in_rounds(stopped, "stopped-0"),
    ),
    Scenario(
        "limits_v2",
        "a throw-away start with limits, in a group of version 2 that is delegated already",
        run_limits,
    ),
    Scenario("many", "containers a second, at once, and idle", run_many),
    Scenario("phases", "where a throw-away start spends its time", run_phases),
)


def environment(place: peers.Place, current: Mapping[str, str]) -> dict[str, str]:
    """peers.environment, and a directory for what is called apart from the rounds."""
    scratch = place.base / "scratch"
    scratch.mkdir(exist_ok=True)
    runtime = current.get("XDG_RUNTIME_DIR") or f"/tmp/pyrootless-{os.getuid()}"
    found = peers.environment(place, current)
    return {**found, "PYROOTLESS_BENCH_SCRATCH": str(scratch), "XDG_RUNTIME_DIR": runtime}
