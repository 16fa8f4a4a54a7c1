"""`pyrootless stats`: what containers use, again and again, or once.

What comes in: names, or all that run.  What goes out: a table, a format's lines, OpenMetrics.
Must never: hide that something was summed over processes, because no control group counts it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence

from pyrootless.cli import Parser, format_list
from pyrootless.cli.containers.metrics import openmetrics
from pyrootless.config import Directories, find_directories
from pyrootless.engine import Container, describe, find_container, list_found
from pyrootless.engine.watching import Sample, figures, take_sample
from pyrootless.errors import ContainerStateError

TITLES = {
    "Container": "CONTAINER", "ID": "CONTAINER ID", "Name": "NAME", "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
}  # fmt: skip
USUAL = (
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}"
    "\t{{.BlockIO}}\t{{.PIDs}}"
)
SECONDS = 1.0
"""Between two samples."""
_CLEAR, _HOME, _REST = "\033[2J", "\033[H", "\033[J"
_WORDS = {"cpu": "CPU", "memory": "memory", "pids": "PIDs", "io": "block I/O"}


def main(args: list[str]) -> int:
    """Show it until Ctrl-C, or once; see the file's head."""
    options = _parser().parse_args(args)
    directories = find_directories(options.root)
    samples: dict[str, Sample] = {}
    told: set[str] = set()
    chosen = _choose(directories, options)
    _sample(chosen, samples)
    if sys.stdout.isatty() and not options.no_stream:
        sys.stdout.write(_CLEAR)
    while True:
        time.sleep(SECONDS)
        chosen = _choose(directories, options)
        _sample(chosen, samples)
        text = _shown(options, chosen, samples)
        live = sys.stdout.isatty() and not options.no_stream
        sys.stdout.write(f"{_HOME}{text}{_REST}" if live else text)
        sys.stdout.flush()
        if not live:
            _tell_summed(chosen, samples, told)
        if options.no_stream:
            return 0


def fields(item: Container, sample: Sample, whole: bool) -> dict[str, str]:
    """What docker's `--format` calls the values of a row."""
    row = figures(sample)
    key = item.id if whole else item.id[:12]
    used, limit = binary_size(row.memory_bytes), binary_size(row.memory_limit_bytes)
    return {
        "BlockIO": f"{decimal_size(row.read_bytes)} / {decimal_size(row.written_bytes)}",
        "CPUPerc": f"{row.cpu_percent:.2f}%",
        "Container": key,
        "ID": key,
        "MemPerc": f"{row.memory_percent:.2f}%",
        "MemUsage": f"{used} / {limit}",
        "Name": item.name,
        "NetIO": f"{decimal_size(row.received_bytes)} / {decimal_size(row.sent_bytes)}",
        "PIDs": str(row.pids),
    }


def binary_size(size_bytes: int) -> str:
    """Docker's units.BytesSize: 806912 → "788KiB"."""
    return _size(size_bytes, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), 4)


def decimal_size(size_bytes: int) -> str:
    """Docker's units.HumanSizeWithPrecision with 3: 2_270_000 → "2.27MB"."""
    return _size(size_bytes, 1000, ("B", "kB", "MB", "GB", "TB", "PB"), 3)


def _size(size_bytes: int, base: int, words: Sequence[str], digits: int) -> str:
    size, power = float(size_bytes), 0
    while size >= base and power < len(words) - 1:
        size, power = size / base, power + 1
    return f"{size:.{digits}g}{words[power]}"


def _choose(directories: Directories, options: argparse.Namespace) -> list[Container]:
    if not options.containers:
        return [describe(item) for item in list_found(directories, kept=options.all)]
    found = []
    for word in options.containers:
        try:
            found.append(find_container(directories, word))
        except ContainerStateError:
            if options.no_stream:
                raise
    return found


def _sample(chosen: Iterable[Container], samples: dict[str, Sample]) -> None:
    for item in chosen:
        samples[item.id] = take_sample(item, samples.get(item.id))


def _shown(
    options: argparse.Namespace, chosen: Sequence[Container], samples: dict[str, Sample]
) -> str:
    if options.format == "openmetrics":
        return openmetrics([(item, samples[item.id]) for item in chosen])
    rows = [fields(item, samples[item.id], options.no_trunc) for item in chosen]
    return format_list(options.format or "table", rows, TITLES, USUAL)


def _tell_summed(
    chosen: Iterable[Container], samples: dict[str, Sample], told: set[str]
) -> None:
    """Once for each container."""
    for item in chosen:
        summed = samples[item.id]["summed"]
        if summed and item.id not in told:
            told.add(item.id)
            words = ", ".join(_WORDS[word] for word in summed)
            sys.stderr.write(
                f"pyrootless: {item.name or item.id[:12]}: {words}: summed over its processes "
                "in /proc, no control group counts them\n"
            )


def _parser() -> Parser:
    parser = Parser(prog="pyrootless stats", description="Show what running containers use.")
    parser.add_argument("-a", "--all", action="store_true", help="stopped ones too")
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        help="table, table TEMPLATE, json, a Go template, or openmetrics",
    )
    parser.add_argument("--no-stream", action="store_true", help="once")
    parser.add_argument("--no-trunc", action="store_true", help="whole ids")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("containers", metavar="CONTAINER", nargs="*", help="name or id")
    return parser
