"""`pyrootless image prune`: images that nothing uses.

What comes in: the engine's directories.  What goes out: what was removed, a line each.
Must never: remove without a yes or --force, touch what a name, a container or a launch needs.
"""

from __future__ import annotations

import sys

from pyrootless import units
from pyrootless.cli import Parser
from pyrootless.errors import PyrootlessError, UsageError
from pyrootless.images.store import Collected, Store, open_store


def main(args: list[str]) -> int:
    """Serve `prune`; see the file's head."""
    options = _parser().parse_args(args)
    kind = "all images that no container uses" if options.all else "all images without a name"
    if not options.dry_run and not confirm(f"This removes {kind}.\n", options.force):
        return 1
    store = open_store(options.root)
    if options.dry_run:
        print_collected([], store.collect(dry_run=True))
        return 0
    untagged, collected = collect_images(store, every=options.all)
    print_collected(untagged, collected)
    return 1 if collected.problems else 0


def collect_images(store: Store, *, every: bool) -> tuple[list[str], Collected]:
    """Remove images without a name, or every one that no container uses.

    Returns:
        "Untagged: NAME" lines, and what was removed.
    """
    names = store.untag_unused(damaged=_say) if every else []
    lines = [f"Untagged: {name.familiar}" for name in names]
    return lines, store.collect(waiting=_say_waiting)


def confirm(question: str, force: bool) -> bool:
    """Ask on the terminal; --force answers yes.

    Raises:
        UsageError: There is no terminal to ask on.
    """
    if force:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", remedy="say yes beforehand: --force")
    sys.stderr.write(f"{question}Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_collected(untagged: list[str], collected: Collected, more_bytes: int = 0) -> None:
    """What went, as docker writes it, and the room it gave back."""
    lines = [
        *untagged,
        *(f"Deleted: {item}" for item in (*collected.images, *collected.layers)),
    ]
    if lines:
        print("Deleted Images:")
        print("".join(f"{line}\n" for line in lines))
    print(f"Total reclaimed space: {units.format_size(collected.bytes + more_bytes)}")
    for problem in collected.problems:
        sys.stderr.write(f"pyrootless: {problem}\n")


def _say(error: PyrootlessError) -> None:
    sys.stderr.write(f"pyrootless: {error}\n")


def _say_waiting() -> None:
    sys.stderr.write("waiting for a pull, an import or a load to end …\n")


def _parser() -> Parser:
    parser = Parser(prog="pyrootless image", description="Images in the store.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    prune = verbs.add_parser("prune", help="remove images that nothing uses")
    prune.add_argument("-a", "--all", action="store_true", help="named images too, if unused")
    prune.add_argument("-f", "--force", action="store_true", help="do not ask")
    prune.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    prune.add_argument("--root", metavar="DIR", help="the engine's directory")
    return parser
