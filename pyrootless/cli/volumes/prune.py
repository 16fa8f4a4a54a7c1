"""`pyrootless volume prune [-a] [-f] [--filter F]`: remove volumes that no container has.

What comes in: the engine's directories.  What goes out: what was removed, a line each.
Must never: remove without a yes or --force; a volume with a name, without -a.
"""

from __future__ import annotations

from pyrootless import units
from pyrootless.cli import Parser
from pyrootless.cli.images import confirm
from pyrootless.config import find_directories
from pyrootless.engine import Pruned, parse_filters, prune_volumes

WARNINGS = {
    False: "anonymous local volumes not used by at least one container",
    True: "all local volumes not used by at least one container",
}


def main(args: list[str]) -> int:
    """Remove them; see the file's head."""
    parser = Parser(
        prog="pyrootless volume prune", description="Remove volumes that no container has."
    )
    parser.add_argument(
        "-a",
        "--all",
        action="store_true",
        help="those with a name too, not only anonymous ones",
    )
    parser.add_argument(
        "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with label=, or without: label!=; all=true is --all",
    )  # fmt: skip
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    options = parser.parse_args(args)
    if not confirm(f"WARNING! This will remove {WARNINGS[options.all]}.\n", options.force):
        return 1
    pruned = prune_volumes(
        find_directories(options.root), parse_filters(options.filter), every=options.all
    )
    print_pruned(pruned)
    print(f"Total reclaimed space: {units.format_decimal(pruned.bytes)}")
    return 0


def print_pruned(pruned: Pruned) -> None:
    """What went, as docker writes it."""
    if pruned.names:
        print("Deleted Volumes:")
        print("".join(f"{name}\n" for name in pruned.names))
