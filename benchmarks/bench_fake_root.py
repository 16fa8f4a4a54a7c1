"""What the fake root costs: per answered call, per call that is not, and for whole jobs.

In: the built launcher, gcc, a directory with an unpacked Debian (--tree).
Out: a table, and JSON with the machine's facts (--json FILE).

    build/venv/bin/python benchmarks/bench_fake_root.py --tree DIR [--json FILE]

The three modes take turns in each round, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import facts

MODES = ("off", "silent", "remember")
CALLS = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#define ROUNDS 5000
#define MEASURE(name, call) do {                                                      \
    struct timespec a, b;                                                             \
    clock_gettime(CLOCK_MONOTONIC, &a);                                               \
    for (int i = 0; i < ROUNDS; i++) { call; }                                        \
    clock_gettime(CLOCK_MONOTONIC, &b);                                               \
    printf("%s %.0f\n", name, ((b.tv_sec - a.tv_sec) * 1e9 + b.tv_nsec - a.tv_nsec) / ROUNDS); \
} while (0)
int main(void)
{
    struct stat st;
    int fd = open("/etc/passwd", O_RDONLY);
    MEASURE("stat", stat("/etc/passwd", &st));
    MEASURE("fstat", fstat(fd, &st));
    MEASURE("geteuid", geteuid());
    MEASURE("open O_CREAT", close(open("/tmp/made", O_CREAT | O_WRONLY, 0600)));
    MEASURE("chown", (void)!chown("/tmp/made", 0, 0));
    MEASURE("getppid", getppid());
    MEASURE("access", access("/etc/passwd", R_OK));
    MEASURE("open", close(open("/etc/passwd", O_RDONLY)));
    return 0;
}
"""
# Name → what a shell in the container does; its wall time includes the start.
JOBS = {
    "start": "true",
    "find /usr -ls": "find /usr -ls >/dev/null",
    "tar -c /usr": "tar -cf /tmp/usr.tar /usr 2>/dev/null",
    "tar -x /usr": "tar -cf /tmp/usr.tar /usr 2>/dev/null; tar -C /mnt -xf /tmp/usr.tar",
}


def run(options: argparse.Namespace, mode: str, *words: str) -> str:
    """Standard output of a throw-away container in this mode."""
    command = [str(options.launcher), "run", "--rm", f"--fake-root={mode}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def measure_calls(options: argparse.Namespace, program: Path) -> dict[str, dict[str, float]]:
    """Call → mode → median nanoseconds."""
    found: dict[str, dict[str, list[float]]] = {}
    volume = ("-v", f"{program}:/calls:ro", "--rootfs", f"{options.tree}:O", "/calls")
    for _ in range(options.rounds):
        for mode in MODES:
            for line in run(options, mode, *volume).splitlines():
                name, _, nanoseconds = line.rpartition(" ")
                found.setdefault(name, {}).setdefault(mode, []).append(float(nanoseconds))
    return {name: medians(modes) for name, modes in found.items()}


def measure_jobs(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Job → mode → median milliseconds of wall time."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(options.rounds):
        for name, script in JOBS.items():
            for mode in MODES:
                before = time.monotonic()
                run(options, mode, "--rootfs", f"{options.tree}:O", "sh", "-c", script)
                took = (time.monotonic() - before) * 1000
                found.setdefault(name, {}).setdefault(mode, []).append(took)
    return {name: medians(modes) for name, modes in found.items()}


def medians(modes: dict[str, list[float]]) -> dict[str, float]:
    """Mode → median, one decimal."""
    return {mode: round(statistics.median(values), 1) for mode, values in modes.items()}


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    """One table on standard output."""
    print(f"{title:16} " + " ".join(f"{mode:>10}" for mode in MODES))
    for name, modes in rows.items():
        print(f"{name:16} " + " ".join(f"{modes[mode]:10.1f}" for mode in MODES))


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tree", required=True, help="an unpacked Debian")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=11)
    beside = Path(sys.executable).parent / "pyrootless"
    parser.add_argument("--launcher", type=Path, default=beside)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "calls")
        build = ["gcc", "-static", "-O2", "-w", "-xc", "-", "-o", str(program)]
        subprocess.run(build, input=CALLS, text=True, check=True, timeout=120)
        calls = measure_calls(options, program)
    jobs = measure_jobs(options)
    show("ns a call", calls)
    show("ms a job", jobs)
    if options.json:
        machine = facts({"tree": Path(options.tree)}, {})
        result = {
            "machine": machine,
            "rounds": options.rounds,
            "calls_ns": calls,
            "jobs_ms": jobs,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
