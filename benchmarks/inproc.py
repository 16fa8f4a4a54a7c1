"""Starts made inside a Python process, which may have touched much memory before.

In: what to start, how, and how many MiB to touch first.  Out: JSON with a sample for each
start; with --serve, "WALL_NS CPU_NS" for each line on standard input (harness.Worker).
Never: another way of starting than a program would use; the first start (it prepares `host`
and imports) among the samples.

    inproc.py [--touched-mib N] [--rounds N | --serve] run busybox true
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Start = Callable[[], None]


class _FloorCost(ctypes.Structure):
    """struct floor_cost of floor.c."""

    _fields_ = (
        ("wall_ns", ctypes.c_uint64),
        ("cpu_ns", ctypes.c_uint64),
        ("max_rss_kib", ctypes.c_long),
        ("status", ctypes.c_int),
        ("errnum", ctypes.c_int),
        ("what", ctypes.c_char_p),
    )


class StartError(Exception):
    """A start did not work; the text says how."""


def by_run(argv: Sequence[str]) -> Start:
    """pyrootless.run("host", argv): both outputs captured."""
    import pyrootless

    def start() -> None:
        result = pyrootless.run("host", argv)
        if result.exit_code != 0:
            raise StartError(f"{result.ended_by} {result.exit_code}: {result.stderr!r}")

    return start


def by_launch(argv: Sequence[str]) -> Start:
    """pyrootless.launch("host", argv).wait(), its streams /dev/null."""
    import pyrootless

    null = subprocess.DEVNULL

    def start() -> None:
        with pyrootless.launch("host", argv, stdout=null, stderr=null) as child:
            result = child.wait()
        if result.exit_code != 0:
            raise StartError(f"{result.ended_by} {result.exit_code}")

    return start


def by_pool(argv: Sequence[str]) -> Start:
    """run(argv) of a pool, outputs captured; what follows the answer is not in the time."""
    import pyrootless

    pool = pyrootless.Pool("host", size=2)

    def start() -> None:
        result = pool.run(argv)
        if result.exit_code != 0:
            raise StartError(f"{result.ended_by} {result.exit_code}: {result.stderr!r}")

    return start


def by_floor(library: Path, argv: Sequence[str]) -> Start:
    """floor_start() of floor.c, called as an extension is."""
    function = ctypes.CDLL(str(library)).floor_start
    words = (ctypes.c_char_p * (len(argv) + 1))(*(word.encode() for word in argv), None)
    cost = _FloorCost()

    def start() -> None:
        if function(words, 0, ctypes.byref(cost)) != 0:
            raise StartError(f"{cost.what.decode()}: {os.strerror(cost.errnum)}")
        if cost.status != 0:
            raise StartError(f"wait status {cost.status}")

    return start


def by_subprocess(argv: Sequence[str]) -> Start:
    """subprocess.run(argv), both outputs captured: what a program does with another tool."""

    def start() -> None:
        done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise StartError(f"{argv[0]}: {done.returncode}: {done.stderr!r}")

    return start


def by_fresh(argv: Sequence[str]) -> Start:
    """The same with another number each time where argv says "{n}": a request never seen."""
    numbers = itertools.count()

    def start() -> None:
        number = str(next(numbers))
        by_subprocess([word.replace("{n}", number) for word in argv])()

    return start


def by_box(argv: Sequence[str]) -> Start:
    """pyrootless.sandbox.run(argv): a cold box with its usual limits."""
    from pyrootless import sandbox

    def start() -> None:
        outcome = sandbox.run(argv)
        if not outcome.ok:
            raise StartError(f"{outcome.verdict} {outcome.stderr!r}")

    return start


HOW = {
    "run": by_run,
    "launch": by_launch,
    "pool": by_pool,
    "box": by_box,
    "fresh": by_fresh,
    "subprocess": by_subprocess,
}


def touch(mebibytes: int) -> bytearray:
    """Memory of which every page has been written."""
    return bytearray(b"\x01") * (mebibytes << 20)


def cpu_ns() -> int:
    """CPU time of this process and of all it has reaped, nanoseconds.  Source: getrusage(2)."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return round(total * 1e9)


def measure(start: Start) -> tuple[int, int]:
    """Wall and CPU nanoseconds of one start, until it is reaped.  Raises what `start` does."""
    cpu_before_ns = cpu_ns()
    begin_ns = time.perf_counter_ns()
    start()
    wall_ns = time.perf_counter_ns() - begin_ns
    return wall_ns, cpu_ns() - cpu_before_ns


def serve(start: Start) -> None:
    """One start for each line."""
    for _ in sys.stdin:
        try:
            wall_ns, cpu = measure(start)
        except Exception as error:
            print(f"error {type(error).__name__}: {error}".replace("\n", " "), flush=True)
        else:
            print(f"{wall_ns} {cpu}", flush=True)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line.  Raises SystemExit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--touched-mib", type=int, default=0, metavar="N")
    parser.add_argument("--rounds", type=int, default=100, metavar="N")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument(
        "--library", type=Path, dest="shared", help="floor.c as a shared library"
    )
    parser.add_argument("how", choices=("floor", *HOW))
    parser.add_argument("argv", nargs=argparse.REMAINDER, help="the program to start")
    options = parser.parse_args(words)
    if not options.argv:
        parser.error("name the program to start")
    if options.how == "floor" and options.shared is None:
        parser.error("floor needs --library")
    return options


def starter(options: argparse.Namespace) -> Start:
    """What one start is."""
    if options.how == "floor":
        return by_floor(options.shared, options.argv)
    return HOW[options.how](options.argv)


def main() -> int:
    """Touch, make ready, then serve or measure."""
    options = parse(sys.argv[1:])
    ballast = touch(options.touched_mib)
    start = starter(options)
    if options.serve:
        serve(start)
        return 0
    start()
    samples = [measure(start) for _ in range(options.rounds)]
    content = {
        "how": options.how,
        "argv": options.argv,
        "touched_bytes": len(ballast),
        "wall_ns": [wall for wall, _ in samples],
        "cpu_ns": [cpu for _, cpu in samples],
    }
    print(json.dumps(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
