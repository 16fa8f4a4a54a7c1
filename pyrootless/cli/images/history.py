"""`pyrootless history [-q] [--no-trunc] [--json] IMAGE`: how an image was made.

What comes in: an image.  What goes out: a table, layers, or JSON; the newest first.
Must never: change anything.
"""

from __future__ import annotations

import dataclasses
import json
import time

from pyrootless import units
from pyrootless.cli import Parser, format_age, format_rows
from pyrootless.images import Step, created_unix_ns, find_image, history_of
from pyrootless.images.store import open_store

HEAD = ("LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT")
MAX_COMMAND = 45
NONE = "<none>"


def main(args: list[str]) -> int:
    """Print an image's history; see the file's head."""
    parser = Parser(prog="pyrootless history", description="Show how an image was made.")
    parser.add_argument("-q", "--quiet", action="store_true", help="only layers")
    parser.add_argument("--no-trunc", action="store_true", help="whole commands and digests")
    parser.add_argument("--json", action="store_true", help="a list of objects")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("image", metavar="IMAGE", help="name, ID or beginning of an ID")
    options = parser.parse_args(args)
    store = open_store(options.root)
    steps = history_of(store, find_image(store, options.image))
    if options.json:
        print(json.dumps([dataclasses.asdict(step) for step in steps], indent=2))
    elif options.quiet:
        print("".join(f"{_layer(step, options.no_trunc)}\n" for step in steps), end="")
    else:
        rows = [_row(step, time.time_ns(), options.no_trunc) for step in steps]
        print(format_rows([HEAD, *rows]), end="")
    return 0


def _row(step: Step, now_unix_ns: int, whole: bool) -> tuple[str, ...]:
    command = " ".join(step.created_by.split())
    if not whole and len(command) > MAX_COMMAND:
        command = f"{command[: MAX_COMMAND - 1]}…"
    created = format_age(created_unix_ns(step.created), now_unix_ns)
    size = units.format_size(step.size_bytes)
    return (_layer(step, whole), created, command, size, " ".join(step.comment.split()))


def _layer(step: Step, whole: bool) -> str:
    if not step.diff_id:
        return NONE
    return step.diff_id if whole else step.diff_id.removeprefix("sha256:")[:12]
