"""Warm runs of Python beside a bare interpreter that does the same, in turns.

In: rounds.  Out: latency of each by name, for bench_sandbox.py; alone: a document with the
machine's facts and the ratios.
Never: a candidate that does less than the others of its pair; a sandbox around the bare ones.

The bare ones and the boxes have one scheduling class, the ordinary one: a box drops its
caller's, so this must not run under `chrt`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import machine

from pyrootless.sandbox import Outcome, ReadyBoxes, Warm, call, run

PYTHON = "python3"
HELLO = "print(1)"
NUMPY = "import numpy; print(numpy.arange(4).sum())"
PAUSE_S = 0.03
"""Between two candidates: boxes are made meanwhile, and not in the next one's time."""
WARM_UP = 5
SOURCE = "def area(a, b): return a * b"
RATIOS = {
    "python": ("warm-python", "bare-python"),
    "numpy": ("warm-numpy", "bare-numpy"),
    "run": ("warm-run", "bare-python"),
    "call": ("warm-call", "cold-call"),
}
PATH = "/usr/local/bin:/usr/bin:/bin"


def has_numpy() -> bool:
    """The machine's own interpreter, which the boxes show, can import it."""
    words = [PYTHON, "-c", NUMPY]
    done = subprocess.run(
        words, env={"PATH": PATH}, capture_output=True, timeout=60, check=False
    )
    return done.returncode == 0


def bare(code: str) -> int:
    """Nanoseconds of an interpreter without any sandbox."""
    begin = time.perf_counter_ns()
    words = [PYTHON, "-c", code]
    subprocess.run(words, env={"PATH": PATH}, stdout=subprocess.PIPE, check=True, timeout=60)
    return time.perf_counter_ns() - begin


def boxed(make: Callable[[], Outcome]) -> int:
    """The same of a run in a box."""
    begin = time.perf_counter_ns()
    outcome = make()
    taken = time.perf_counter_ns() - begin
    if not outcome.ok:
        raise SystemExit(f"the box failed: {outcome}")
    return taken


def measure(rounds: int) -> dict[str, list[int]]:
    """Nanoseconds of each run, by candidate, in turns."""
    numpy = has_numpy()
    imports = ("numpy",) if numpy else ()
    with (
        ReadyBoxes(size=2, warm=True) as plain,
        ReadyBoxes(size=2, warm=Warm(imports=imports)) as loaded,
    ):
        hello = [PYTHON, "-c", HELLO]
        cold_call, warm_call = (call(SOURCE, "area", warm=warm) for warm in (False, True))
        candidates: dict[str, Callable[[], int]] = {
            "bare-python": lambda: bare(HELLO),
            "warm-python": lambda: boxed(lambda: plain.run(hello)),
            "warm-run": lambda: boxed(lambda: run(hello, warm=True)),
            "cold-call": lambda: boxed(lambda: cold_call.attempt(3, 4).outcome),
            "warm-call": lambda: boxed(lambda: warm_call.attempt(3, 4).outcome),
        }
        if numpy:
            candidates["bare-numpy"] = lambda: bare(NUMPY)
            candidates["warm-numpy"] = lambda: boxed(lambda: loaded.run([PYTHON, "-c", NUMPY]))
        taken: dict[str, list[int]] = {name: [] for name in candidates}
        for number in range(rounds + WARM_UP):
            for name, candidate in candidates.items():
                time.sleep(PAUSE_S)
                value = candidate()
                if number >= WARM_UP:
                    taken[name].append(value)
    return taken


def figures(values: list[int]) -> dict[str, int]:
    """Median and tail, in nanoseconds."""
    ordered = sorted(values)
    shares = {"p10_ns": 0.1, "median_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99}
    found = {name: ordered[int(share * (len(ordered) - 1))] for name, share in shares.items()}
    return found | {"n": len(ordered)}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    out = Path(__file__).resolve().parent / "results" / "sandbox_warm.json"
    parser.add_argument("--out", type=Path, default=out, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=60, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pyrootless-bench-") as directory:
        os.environ["PYROOTLESS_ROOT"] = f"{directory}/store"
        before = machine.load()
        latency = {name: figures(values) for name, values in measure(options.rounds).items()}
    content: dict[str, object] = {
        "what": "warm runs of Python beside a bare interpreter",
        "load_before": before,
        "scheduling": machine.scheduling(),
        "latency": latency,
        "ratios": {
            kind: round(latency[ours]["median_ns"] / latency[theirs]["median_ns"], 3)
            for kind, (ours, theirs) in RATIOS.items()
            if ours in latency
        },
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    print(json.dumps(content["ratios"]))


if __name__ == "__main__":
    main()
