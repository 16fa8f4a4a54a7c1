"""What a change of the engine costs: two builds of it in turns.

In: two checkouts, each built.  Out: a table, and a document with each way to start measured in
both, the ratio of its medians beside the most it may be.
Never: a measurement as root; a store that both share.

    bench_change.py --before ../before --after . --out results/change.json
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import background
import harness
import machine
import peers
import report
import scenarios
from harness import Candidate

SIDES = ("before", "after")
MOST = {"throw-away": 1.10, "kept": 1.10}
MOST_ELSE = 1.05
FIRST_MOST = 1.15
"""A request that was never made before, beside one that was made often, in the newer build."""
INSIDE = ("host", "busybox", "true")
ONCE = ("--rm", "--ephemeral")
LINES: Mapping[str, tuple[str, ...]] = {
    "throw-away": (*ONCE, *INSIDE),
    "kept": ("--rm", *INSIDE),
    "many-ids": (*ONCE, "--userns=range", *INSIDE),
    "limits": (*ONCE, "--memory=256m", "--pids-limit=100", *INSIDE),
}
CALLS = {"python-direct": "run", "prepared": "pool", "sandbox": "box"}


def rows(place: peers.Place, env: Mapping[str, str], stack: ExitStack) -> list[Candidate]:
    """Each way to start in one build, named without its side."""
    launcher, root = str(place.launcher), f"--root={env['PYROOTLESS_ROOT']}"
    found = [Candidate(name, (launcher, "run", root, *words)) for name, words in LINES.items()]
    inproc = str(peers.HERE / "inproc.py")
    settings = ("/usr/bin/env", f"PYROOTLESS_ROOT={env['PYROOTLESS_ROOT']}")
    serve = (*settings, str(place.python), "-B", inproc, "--serve")
    found += [
        Candidate(name, (*serve, how, "busybox", "true"), worker=True)
        for name, how in CALLS.items()
    ]
    again = ("fresh", launcher, "run", root, *ONCE)
    found.append(Candidate("first", (*serve, *again, "--env=N={n}", *INSIDE), worker=True))
    found.append(Candidate("often", (*serve, *again, "--env=N=n", *INSIDE), worker=True))
    words = background.pyrootless(place, env, stack)
    found.append(Candidate("exec", (words[0], "exec", root, *words[2:])))
    return found


def measure(options: argparse.Namespace, base: Path) -> dict[str, object]:
    """Both builds in one run of rounds.  Returns the document."""
    with ExitStack() as stack:
        every: list[Candidate] = []
        for side in SIDES:
            checkout: Path = getattr(options, side).absolute()
            binaries = checkout / "build/venv/bin"
            place = peers.prepare(base / side, binaries / "pyrootless", binaries / "python")
            env = scenarios.environment(place, os.environ)
            every += [
                replace(row, name=f"{row.name}-{side}") for row in rows(place, env, stack)
            ]
        every.sort(key=lambda row: row.name.rsplit("-", 1)[0])
        plan = harness.Plan(options.rounds, options.warmup)
        load = machine.load()
        gathered = harness.run_rounds(every, plan, env, lambda text: print(text, flush=True))
        about = report.Scenario("change", "one change of the engine, before and after", ())
        facts = {**scenarios.machine_facts_of(place, env), "load_before": load}
        facts |= {"load_after": machine.load()}
        facts |= {side: machine.git_revision(getattr(options, side)) for side in SIDES}
        print(report.table(about, gathered), flush=True)
        names = {str(base): "$WORK", **{str(getattr(options, s).absolute()): s for s in SIDES}}
        return report.document(about, plan, gathered, facts, names)


def verdicts(document: Mapping[str, object]) -> list[dict[str, object]]:
    """Each ratio of medians, and the most that it may be."""
    candidates = document["candidates"]
    assert isinstance(candidates, list)
    medians = {row["name"]: row["summary"]["median_ns"] for row in candidates if row["summary"]}
    pairs = [
        (name, f"{name}-after", f"{name}-before", MOST.get(name, MOST_ELSE))
        for name in [*LINES, *CALLS, "exec"]
    ]
    pairs.append(("first beside often", "first-after", "often-after", FIRST_MOST))
    found = []
    for name, over, under, most in pairs:
        both = over in medians and under in medians
        ratio = round(medians[over] / medians[under], 3) if both else None
        met = ratio is not None and ratio <= most
        found.append({"what": name, "ratio": ratio, "most": most, "met": met})
    return found


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line.  Raises SystemExit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    for side in SIDES:
        add(f"--{side}", type=Path, required=True, metavar="CHECKOUT", help="a built checkout")
    add("--out", type=Path, default=peers.HERE / "results/change.json", metavar="FILE")
    add("--rounds", type=int, default=100, metavar="N", help="default: %(default)s")
    add("--warmup", type=int, default=5, metavar="N", help="default: %(default)s")
    add("--work", type=Path, default=Path("/var/tmp"), metavar="DIR", help="where stores are")
    return parser.parse_args(words)


def main() -> int:
    """Measure, write, judge."""
    options = parse(sys.argv[1:])
    if os.getuid() == 0:
        print(
            "bench_change: as an ordinary user: root needs no user namespace", file=sys.stderr
        )
        return 1
    harness.become_subreaper()
    with tempfile.TemporaryDirectory(
        prefix="pyrootless-bench-", dir=options.work, ignore_cleanup_errors=True
    ) as base:
        document = measure(options, Path(base))
    found = verdicts(document)
    report.write(options.out, {**document, "verdicts": found})
    for row in found:
        word = "met" if row["met"] else "missed"
        print(f"{row['what']:20} {row['ratio']} (most {row['most']}): {word}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
