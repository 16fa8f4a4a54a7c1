"""`pyrootless ps [-a] [--json] [-q]`: containers, running ones or all.

What comes in: the engine's directories.  What goes out: a table, ids, or JSON.
Must never: change a container; read a file of one that is not shown.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import time

from pyrootless import units
from pyrootless.cli.arguments import Parser
from pyrootless.cli.table import format_age
from pyrootless.config import find_directories
from pyrootless.engine.containers import Container, describe, list_found
from pyrootless.printable import printable

HEAD = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES")
MAX_COMMAND = 30
REASONS = {"timeout": ", by timeout", "oom": ", by --memory", "cpu-time": ", by --cpu-time"}
"""What ended it → words after the rest, where the code alone would mislead."""
SIGNALLED = 128
"""A signal as an exit code, as a shell and docker show it."""


def main(args: list[str]) -> int:
    """List containers; see the file's head."""
    parser = Parser(prog="pyrootless ps", description="List containers.")
    parser.add_argument("-a", "--all", action="store_true", help="show stopped containers too")
    parser.add_argument("-q", "--quiet", action="store_true", help="only ids")
    parser.add_argument("--json", action="store_true", help="a list of objects")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    options = parser.parse_args(args)
    found = list_found(find_directories(options.root), kept=options.all)
    if options.quiet and not options.json:
        print("".join(f"{item.id[:12]}\n" for item in found), end="")
        return 0
    shown = [describe(item) for item in found]
    if options.json:
        print(json.dumps([as_object(item) for item in shown], indent=2))
    else:
        print(format_table(shown, time.time_ns()), end="")
    return 0


def as_object(container: Container) -> dict[str, object]:
    """The JSON form: the attributes of Container, paths as text."""
    return dataclasses.asdict(container) | {"directory": str(container.directory)}


def format_table(containers: list[Container], now_unix_ns: int) -> str:
    """Columns as wide as their widest cell."""
    rows = [HEAD, *(_row(item, now_unix_ns) for item in containers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
             for row in rows)  # fmt: skip
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _row(item: Container, now_unix_ns: int) -> tuple[str, ...]:
    command = printable(shlex.join(item.command).replace("\n", " "))
    if len(command) > MAX_COMMAND:
        command = f"{command[: MAX_COMMAND - 1]}…"
    image, name = printable(item.image), printable(item.name)
    created = format_age(item.created_unix_ns, now_unix_ns)
    return (item.id[:12], image, command, created, _status(item, now_unix_ns), name)


def _status(item: Container, now_unix_ns: int) -> str:
    """In docker's words: "Up 2 minutes", "Exited (137) 3 seconds ago"."""
    if item.state == "running":
        return f"Up {units.format_span(max(0, now_unix_ns - item.created_unix_ns))}"
    code = item.exit_code
    if code is None and item.signal is not None:
        code = SIGNALLED + item.signal
    if code is None:
        return "Ended"
    ended = f" {format_age(item.ended_unix_ns, now_unix_ns)}" if item.ended_unix_ns else ""
    return f"Exited ({code}){ended}{REASONS.get(item.ended_by, '')}"
