"""`pyrootless builder du|prune`: what builds keep for the next ones, and letting it go.

What comes in: the store.  What goes out: a table; what became free.
Must never: touch an image.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time

from pyrootless.build import CacheRow, list_cache, prune_cache
from pyrootless.cli import Parser
from pyrootless.cli.images import confirm
from pyrootless.cli.table import format_rows
from pyrootless.errors import UsageError
from pyrootless.images.store import open_store
from pyrootless.printable import printable
from pyrootless.units import format_size, parse_duration_ns

_QUESTION = """This removes what builds keep: steps that were done, and cache mounts.
Images stay.
"""
_SHOWN = 60


def main(args: list[str]) -> int:
    """Serve `du` or `prune`; see the file's head."""
    options = _parser().parse_args(args)
    return int(options.serve(options))


def _du(options: argparse.Namespace) -> int:
    rows = list_cache(open_store(options.root))
    if options.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return 0
    print(format_rows([("ID", "TYPE", "SIZE", "SHARED", "MADE BY"), *map(_row, rows)]), end="")
    free = sum(row.size_bytes for row in rows if not row.shared)
    print(f"\nReclaimable:\t{format_size(free)}")
    print(f"Total:\t\t{format_size(sum(row.size_bytes for row in rows))}")
    return 0


def _row(row: CacheRow) -> tuple[str, ...]:
    made_by = printable(" ".join(row.made_by.split()))
    return (
        row.id[:12], row.kind, format_size(row.size_bytes), str(row.shared).lower(),
        made_by if len(made_by) <= _SHOWN else f"{made_by[: _SHOWN - 1]}…",
    )  # fmt: skip


def _prune(options: argparse.Namespace) -> int:
    if not confirm(_QUESTION, options.force):
        return 1
    limit = 0
    for text in options.filter:
        key, _, value = text.partition("=")
        if key not in ("until", "unused-for"):
            raise UsageError(f"--filter {text[:60]}: write until=24h")
        limit = time.time_ns() - parse_duration_ns(value)
    freed = prune_cache(open_store(options.root), older_than_ns=limit)
    print(f"Total reclaimed space: {format_size(freed)}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless builder", description="Show what builds keep, or let it go."
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    usage = verbs.add_parser("du", help="what builds keep: steps and cache mounts")
    usage.add_argument("--json", action="store_true", help="a list of objects, sizes in bytes")
    usage.add_argument("--root", metavar="DIR", help="the engine's directory")
    usage.set_defaults(serve=_du)
    prune = verbs.add_parser("prune", help="remove what builds keep")
    prune.add_argument("-a", "--all", action="store_true", help="as without: all of it")
    prune.add_argument("-f", "--force", action="store_true", help="do not ask")
    prune.add_argument(
        "--filter", metavar="until=DURATION", action="append", default=[],
        help="only what was not used so long",
    )  # fmt: skip
    prune.add_argument("--root", metavar="DIR", help="the engine's directory")
    prune.set_defaults(serve=_prune)
    return parser
