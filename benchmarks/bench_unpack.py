"""What unpacking a layer costs, beside GNU tar.

In: a plain archive, which is compressed here first.  Out: a table, and a JSON document.
Never: a directory removed between two runs (a file system avoids inodes that were freed just
now, and the next run would pay for it): each run has a fresh one, and all go at the end.

    build/venv/bin/python benchmarks/bench_unpack.py --archive base.tar --rounds 10
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import harness
import machine
import report

HERE = Path(__file__).resolve().parent
UNPACK = """
import sys
from pathlib import Path
from pyrootless.images.layers.unpacking import unpack_layer

class Writer:
    directory = Path(sys.argv[2])
    def commit(self, diff_id):
        pass

def chunks(stream):
    while chunk := stream.read(1 << 17):
        yield chunk

with open(sys.argv[1], "rb") as stream:
    unpack_layer(chunks(stream), Writer(), "", expected_diff_id=None)
"""


def compressed(archive: Path, directory: Path) -> dict[str, Path]:
    """The archive in three forms: plain, gzip -6, zstd -3."""
    from backports import zstd

    forms = {name: directory / f"base.{name}" for name in ("gzip", "zstd")}
    with archive.open("rb") as source, gzip.open(forms["gzip"], "wb", 6) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    with archive.open("rb") as source, zstd.open(forms["zstd"], "wb", level=3) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return {"plain": archive, **forms}


def commands(forms: dict[str, Path]) -> dict[str, list[str]]:
    """Candidate → command line, without the directory, which comes last."""
    ours = [sys.executable, "-I", "-c", UNPACK]
    found = {f"pyrootless {form}": [*ours, str(path)] for form, path in forms.items()}
    # Without the device nodes, which need privilege.
    tar = ["tar", "-p", "--exclude=./dev/*", "-x"]
    found["GNU tar plain"] = [*tar, "-f", str(forms["plain"]), "-C"]
    found["GNU tar gzip"] = [*tar, "-z", "-f", str(forms["gzip"]), "-C"]
    found["interpreter alone"] = [
        sys.executable,
        "-I",
        "-c",
        "import pyrootless.images.layers.unpacking",
    ]
    return found


def measure(words: Sequence[str], directory: Path) -> harness.Sample:
    """One run into a fresh directory.  Raises SystemExit when it fails."""
    directory.mkdir()
    begin = time.perf_counter_ns()
    process = subprocess.Popen([*words, str(directory)])
    _, status, usage = os.wait4(process.pid, 0)
    wall_ns = time.perf_counter_ns() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"bench_unpack: {words[0]} failed: {process.returncode}")
    return harness.Sample(wall_ns, harness.rusage_cpu_ns(usage))


def run(archive: Path, work: Path, rounds: int) -> dict[str, list[harness.Sample]]:
    """All candidates in turns; the first round is thrown away."""
    candidates = commands(compressed(archive, work))
    names = list(candidates)
    gathered: dict[str, list[harness.Sample]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for index in harness.order_of_round(number, len(names)):
            name = names[index]
            sample = measure(candidates[name], work / f"{number}-{index}")
            if number > 0:
                gathered[name].append(sample)
    return gathered


def main(words: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--archive", type=Path, required=True, metavar="FILE", help="a plain tar")
    add("--rounds", type=int, default=40, metavar="N", help="default: %(default)s")
    add("--work", type=Path, default=Path("/var/tmp"), metavar="DIR")
    add("--out", type=Path, default=HERE / "results" / "unpack.json", metavar="FILE")
    options = parser.parse_args(words)
    before = machine.load()
    with tempfile.TemporaryDirectory(dir=options.work) as directory:
        gathered = run(options.archive.resolve(), Path(directory), options.rounds)
        facts = machine.facts({"work": Path(directory)}, {"tar": ("tar", "--version")})
    rows = {}
    for name, samples in gathered.items():
        wall = [sample.wall_ns for sample in samples]
        cpu = statistics.median(sample.cpu_ns for sample in samples)
        rows[name] = {
            "median_ns": round(statistics.median(wall)),
            "min_ns": min(wall),
            "p90_ns": harness.percentile(wall, 0.9),
            "cpu_median_ns": round(cpu),
            "walls_ns": wall,
        }
        print(f"{name:20} {statistics.median(wall) / 1e9:6.3f} s  CPU {cpu / 1e9:6.3f} s")
    extra = {
        "archive_bytes": options.archive.stat().st_size,
        "rounds": options.rounds,
        "load_before": before,
        "load_after": machine.load(),
    }
    report.write(options.out, {"facts": facts | extra, "candidates": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
