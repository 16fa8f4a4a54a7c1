"""How exactly limits hold: what attackers reached, beside what was asked for.

In: the built launcher, one rung of the ladder (--rung cgroup2|cgroup1|none), a disk below DIR.
Out: a table, and JSON: this rung's figures beside those of other rungs in FILE (--into FILE).

    build/venv/bin/python benchmarks/bench_limits.py --rung cgroup1 [--into FILE] [--rounds 5]

Where control groups are delegated, "none" is reached inside bwrap, which hides them. On systemd
with version 2: --rung cgroup2, in the test machine as `tests/vm/vm.py exec -- …` with --json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import facts

MIB = 1 << 20
MEMORY_BYTES = 64 * MIB
STORAGE_BYTES = 8 * MIB
RATE_BYTES = 4 * MIB
CPU_SECONDS = 0.5
NO_GROUPS = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/sys/fs/cgroup"]
HOLD = """
import os
held = []
while True:
    held.append(b"x" * 65536)
    os.write(1, b"x")
"""
SHARE = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(12 << 20)
        time.sleep(600)
time.sleep(600)
"""
FORKS = """
import os, time
count = 1
try:
    while True:
        if os.fork() == 0:
            time.sleep(600)
        count += 1
except BlockingIOError:
    print(count)
"""
BURN = """
import os
for _ in range(2):
    os.fork()
while True:
    pass
"""
DIRECT = """
import mmap, os, time
page = mmap.mmap(-1, 1 << 20)
fd = os.open("/disk/big", os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
begin = time.monotonic_ns()
for _ in range(16):
    os.write(fd, page)
print((16 << 20) * 10**9 // (time.monotonic_ns() - begin))
"""
FILL = """
import os
written, fd = 0, os.open("/big", os.O_WRONLY | os.O_CREAT)
try:
    while True:
        written += os.write(fd, bytes(4096))
except OSError:
    print(written)
"""
Measure = Callable[[argparse.Namespace], int | float]


def call(options: argparse.Namespace, *words: str) -> subprocess.CompletedProcess[str]:
    """The launcher on this rung."""
    before = NO_GROUPS if options.rung == "none" and not options.bare else []
    command = [*before, str(options.launcher), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def run(options: argparse.Namespace, *words: str) -> dict[str, Any]:
    """A container to its end: its output, and `inspect` of it."""
    weak = ["--limits=best-effort"] if options.rung == "none" else []
    done = call(options, "run", "--name=bench-limits", *weak, *words)
    found = call(options, "inspect", "bench-limits")
    call(options, "rm", "-f", "bench-limits")
    if done.returncode == 125 or found.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}{found.stderr}")
    inspected: dict[str, Any] = json.loads(found.stdout)[0]
    for name, held in inspected["Limits"].items():
        if options.rung != "none" and held["HeldBy"] not in (options.rung, "tmpfs"):
            raise SystemExit(f"{name} is held by {held['HeldBy']} and not by {options.rung}")
    return {"out": done.stdout, **inspected}


def python(options: argparse.Namespace, program: str, *words: str) -> dict[str, Any]:
    """A container of a Python program."""
    return run(options, *words, "host", "python3", "-c", program)


def held_bytes(options: argparse.Namespace) -> int:
    """What one process wrote into memory before its end."""
    return len(python(options, HOLD, f"--memory={MEMORY_BYTES}")["out"]) * 65536


def peak_bytes(options: argparse.Namespace) -> int:
    """What eight processes had together, as it was counted."""
    peak = python(options, SHARE, f"--memory={MEMORY_BYTES}")["Usage"]["memory_peak_bytes"]
    return int(peak)


def processes(options: argparse.Namespace) -> int:
    """How many there were when one more was refused."""
    return int(python(options, FORKS, "--pids-limit=50")["out"])


def cpus(number: float) -> Measure:
    """Processors that four burners had, for two seconds."""

    def measure(options: argparse.Namespace) -> float:
        used = python(options, BURN, f"--cpus={number}", "--timeout=2")["Usage"]
        return float(used["cpu_ns"] / used["wall_ns"])

    return measure


def cpu_time(options: argparse.Namespace) -> float:
    """Seconds of processor time that four burners had when they were ended."""
    used = python(options, BURN, f"--cpu-time={CPU_SECONDS}")["Usage"]
    return float(used["cpu_ns"] / 1e9)


def write_rate(options: argparse.Namespace) -> int:
    """Bytes a second of direct writes to a disk."""
    number = options.disk.stat().st_dev
    place = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    disk = place.parent if (place / "partition").exists() else place
    with tempfile.TemporaryDirectory(dir=options.disk) as lent:
        limit = f"--device-write-bps=/dev/{disk.name}:{RATE_BYTES}"
        return int(python(options, DIRECT, limit, "-v", f"{lent}:/disk")["out"])


def stored_bytes(options: argparse.Namespace) -> int:
    """What fitted into a throw-away root."""
    words = ["run", "--ephemeral", f"--storage-size={STORAGE_BYTES}", "host", "python3", "-c"]
    return int(call(options, *words, FILL).stdout)


# Name → (what was asked for, how it is measured, whether the rung "none" has it).
FIGURES: dict[str, tuple[float, Measure, bool]] = {
    "memory of one process, bytes": (MEMORY_BYTES, held_bytes, True),
    "memory of eight processes, bytes": (MEMORY_BYTES, peak_bytes, True),
    "processes": (50, processes, True),
    "processors, 0.3": (0.3, cpus(0.3), False),
    "processors, 1.5": (1.5, cpus(1.5), False),
    "processor time, seconds": (CPU_SECONDS, cpu_time, True),
    "direct writes, bytes a second": (RATE_BYTES, write_rate, False),
    "storage, bytes": (STORAGE_BYTES, stored_bytes, True),
}


def measure_all(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Every figure of a rung: asked, and what was reached in each round."""
    found = {}
    for name, (asked, measure, weak) in FIGURES.items():
        if (options.rung == "none" and not weak) or options.only not in name:
            continue
        reached = sorted(measure(options) for _ in range(options.rounds))
        worst = reached[-1] / asked
        found[name] = {"asked": asked, "reached": reached, "most": round(worst, 4)}
        print(f"{name:<34} asked {asked:>12} most {reached[-1]:>14.6g}  {worst:.4f}")
    return found


def main() -> int:
    """Measure one rung; see the file's head."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    beside = Path(sys.executable).parent / "pyrootless"
    parser.add_argument("--rung", required=True, choices=("cgroup2", "cgroup1", "none"))
    parser.add_argument("--launcher", type=Path, default=beside)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--disk", type=Path, default=Path.home(), metavar="DIR")
    parser.add_argument("--bare", action="store_true", help="none: nothing has to be hidden")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="figures with it in their name"
    )
    parser.add_argument("--json", action="store_true", help="print the object last")
    parser.add_argument("--into", type=Path, metavar="FILE")
    options = parser.parse_args()
    machine = facts({"disk": options.disk}, {})
    content: dict[str, dict[str, Any]] = {
        options.rung: {"machine": machine, "figures": measure_all(options)}
    }
    if options.json:
        print(json.dumps(content))
    if options.into:
        known = json.loads(options.into.read_text()) if options.into.exists() else {}
        if options.only and options.rung in known:
            known[options.rung]["figures"] |= content.pop(options.rung)["figures"]
        options.into.write_text(json.dumps(known | content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
