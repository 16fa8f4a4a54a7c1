"""What a box costs and how exact it is: benchmarks/results/sandbox.json.

In: options.  Out: the aims and whether they are met, on standard output; a JSON document.
Never: a measurement as root, a store other than one made for the run, a candidate that ran
alone: everything that is compared runs in turns.

Measured: one run of a static C program with all limits and the filter on, beside bubblewrap and
a bare spawn of the same program; by how much a limit of processor time is overshot; how much of
the time of children nobody reaps is billed; a thousand tests of one program through the judge;
memory, descriptors and files over many runs.  The aims of sandbox_targets.py end the document.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import machine
import sandbox_targets
import sandbox_warm
import targets
from harness import percentile

from pyrootless.sandbox import Limits, ReadyBoxes, run
from pyrootless.sandbox.judge.batch import judge_batch
from pyrootless.sandbox.judge.submission import Submission
from pyrootless.sandbox.judge.task import load_task

HERE = Path(__file__).resolve().parent
EMPTY = "int main(void) { return 0; }\n"
LOOP = "int main(void) { for (;;); }\n"
UNREAPED = """
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 10; i++) {
        struct timespec t;
        if (fork())
            continue;
        do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < 100);
        _exit(0);
    }
    while (wait(0) > 0);
    return 0;
}
"""
ADD = """#include <stdio.h>
int main(void) { long a, b; scanf("%ld %ld", &a, &b); printf("%ld\\n", a + b); }
"""
TASK = """[task]
name = "sum"
reruns = 0
[[group]]
name = "all"
points = 1
tests = "tests/*.in"
"""
UNREAPED_NS = 1_000_000_000
CPU_LIMIT_NS = 250_000_000
PAUSE_S = 0.015
"""Between two candidates: ready boxes are made meanwhile, and not in the next one's time."""
BUBBLEWRAP = (
    *("bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
    *("--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
)


def parse() -> argparse.Namespace:
    """The command line.  Raises SystemExit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    out = HERE / "results" / "sandbox.json"
    add("--out", type=Path, default=out, metavar="FILE", help="default: %(default)s")
    add("--rounds", type=int, default=100, metavar="N", help="default: %(default)s")
    add("--deadlines", type=int, default=40, metavar="N", help="default: %(default)s")
    add("--tests", type=int, default=1000, metavar="N", help="default: %(default)s")
    add("--many", type=int, default=10_000, metavar="N", help="runs for memory; %(default)s")
    return parser.parse_args()


def compiled(directory: Path, name: str, source: str) -> Path:
    """A static program."""
    path = directory / name
    (directory / f"{name}.c").write_text(source)
    words = ["gcc", "-O2", "-static", "-o", str(path), f"{path}.c"]
    subprocess.run(words, check=True, timeout=120)
    return path


def spawn(words: tuple[str, ...]) -> int:
    """Nanoseconds from the start of a command to its end."""
    begin = time.perf_counter_ns()
    pid = os.posix_spawnp(words[0], words, os.environ)
    if os.waitpid(pid, 0)[1] != 0:
        raise SystemExit(f"{words[0]} failed")
    return time.perf_counter_ns() - begin


def boxed(program: Path, rungs: str) -> int:
    """The same for a box."""
    begin = time.perf_counter_ns()
    outcome = run(["./p"], files={"p": program}, rungs=rungs)
    taken = time.perf_counter_ns() - begin
    if not outcome.ok:
        raise SystemExit(f"the box failed: {outcome}")
    return taken


def ready(boxes: ReadyBoxes, program: Path) -> int:
    """The same for a box that waits."""
    begin = time.perf_counter_ns()
    outcome = boxes.run(["./p"], files={"p": program})
    taken = time.perf_counter_ns() - begin
    if not outcome.ok:
        raise SystemExit(f"the box failed: {outcome}")
    return taken


def figures(values: list[int]) -> dict[str, int]:
    """Median and tail, in nanoseconds."""
    names = {"p10_ns": 0.1, "median_ns": 0.5, "p90_ns": 0.9, "p99_ns": 0.99}
    ordered = sorted(values)
    return {name: percentile(ordered, share) for name, share in names.items()} | {
        "n": len(values)
    }


def latencies(program: Path, rounds: int) -> dict[str, object]:
    """All candidates in turns."""
    with ReadyBoxes(size=2) as boxes:
        return _latencies(program, rounds, boxes)


def _latencies(program: Path, rounds: int, boxes: ReadyBoxes) -> dict[str, object]:
    bound = (*BUBBLEWRAP, "--ro-bind", str(program), "/p", "/p")
    candidates: dict[str, Callable[[], int]] = {
        "spawn": lambda: spawn((str(program),)),
        "spawn-true": lambda: spawn(("true",)),
        "bwrap": lambda: spawn(bound),
        "box": lambda: boxed(program, "best"),
        "box-no-groups": lambda: boxed(program, "no-groups"),
        "ready": lambda: ready(boxes, program),
    }
    taken: dict[str, list[int]] = {name: [] for name in candidates}
    warm = sandbox_warm.measure(rounds)
    for number in range(rounds + 5):
        for name, measure in candidates.items():
            time.sleep(PAUSE_S)
            value = measure()
            if number >= 5:
                taken[name].append(value)
    rows: dict[str, object] = {name: figures(values) for name, values in (taken | warm).items()}
    base = sorted(taken["bwrap"])[len(taken["bwrap"]) // 2]
    rows["ratio_to_bwrap"] = {
        name: round(sorted(taken[name])[len(taken[name]) // 2] / base, 3)
        for name in ("box", "box-no-groups", "ready")
    }
    bare = sorted(taken["spawn-true"])[len(taken["spawn-true"]) // 2]
    rows["ready_ratio_to_spawn_true"] = round(
        sorted(taken["ready"])[len(taken["ready"]) // 2] / bare, 3
    )
    return rows


def deadlines(program: Path, rounds: int) -> dict[str, object]:
    """By how much a limit of processor time is overshot, in nanoseconds."""
    limits = Limits(cpu="250ms", wall="60s")
    found: dict[str, object] = {}
    for rungs in ("best", "no-groups", "least"):
        over = []
        for _ in range(rounds):
            outcome = run(["./p"], files={"p": program}, limits=limits, rungs=rungs)
            if outcome.verdict.name != "TLE":
                raise SystemExit(f"no TLE: {outcome}")
            over.append(outcome.cpu_ns - CPU_LIMIT_NS)
        found[rungs] = figures(over)
    return found


def billed(program: Path, rounds: int = 5) -> dict[str, object]:
    """Share of the time of children nobody reaps that is billed."""
    limits = Limits(cpu="30s", wall="90s")
    found: dict[str, object] = {}
    for rungs in ("best", "no-groups", "least"):
        shares = []
        for _ in range(rounds):
            outcome = run(["./p"], files={"p": program}, limits=limits, rungs=rungs)
            shares.append(outcome.cpu_ns / UNREAPED_NS)
        found[rungs] = {"least_share": round(min(shares), 4), "n": rounds}
    return found


def thousand(base: Path, tests: int) -> dict[str, int]:
    """One submission in C, compiled once, on so many tests, as `pyrootless judge -j 2` does."""
    folder = base / "task"
    (folder / "tests").mkdir(parents=True)
    (folder / "TASK.toml").write_text(TASK)
    (folder / "sum.c").write_text(ADD)
    for number in range(tests):
        (folder / f"tests/{number:06}.in").write_text(f"{number} 3\n")
        (folder / f"tests/{number:06}.ans").write_text(f"{number + 3}\n")
    task, submission = load_task(folder), Submission("sum", folder / "sum.c")
    begin = time.perf_counter_ns()
    [result] = judge_batch(task, [submission], jobs=2).submissions
    taken = time.perf_counter_ns() - begin
    if result.verdict != "AC":
        raise SystemExit(f"the submission is {result.verdict}")
    return {"tests": tests, "all_ns": taken, "each_ns": taken // tests}


def growth(program: Path, many: int, base: Path) -> dict[str, int]:
    """Memory, descriptors and files after many runs, beside those after a hundred."""

    def state() -> tuple[int, int, int]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        return pages * resource.getpagesize(), descriptors, len(list(base.rglob("*")))

    for _ in range(100):
        boxed(program, "best")
    before = state()
    for _ in range(many):
        boxed(program, "best")
    memory, descriptors, files = (new - old for new, old in zip(state(), before, strict=True))
    return {
        "runs": many,
        "memory_growth_bytes": memory,
        "descriptor_growth": descriptors,
        "file_growth": files,
    }


def main() -> None:
    """Measure and write."""
    options = parse()
    if os.getuid() == 0:
        raise SystemExit("bench_sandbox: run it as an ordinary user")
    with tempfile.TemporaryDirectory(prefix="pyrootless-bench-") as directory:
        base = Path(directory)
        (base / "run").mkdir(mode=0o700)
        os.environ["PYROOTLESS_ROOT"] = str(base / "store")
        os.environ["XDG_RUNTIME_DIR"] = str(base / "run")
        empty = compiled(base, "empty", EMPTY)
        content: dict[str, object] = {
            "what": "the sandbox: one run, its deadlines, what it bills, what it leaves",
            "load_before": machine.load(),
            "scheduling": machine.scheduling(),
            "latency": latencies(empty, options.rounds),
            "cpu_limit_overshoot": deadlines(compiled(base, "loop", LOOP), options.deadlines),
            "unreaped_children_billed": billed(compiled(base, "unreaped", UNREAPED)),
            "many_tests": thousand(base, options.tests),
            "growth": growth(empty, options.many, base),
            "load_after": machine.load(),
        }
    verdicts = targets.judge({"sandbox": content}, sandbox_targets.AIMS)
    content["aims"] = targets.as_rows(verdicts)
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    sys.stdout.write(targets.describe(verdicts))


if __name__ == "__main__":
    main()
