"""`pyrootless image prune`: images that nothing uses.

What comes in: the engine's directories.  What goes out: what was removed, a line each.
Must never: remove without a yes or --force, touch what a name, a container or a launch needs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from pyrootless import units
from pyrootless.cli import Parser
from pyrootless.engine import parse_filters, prune_test
from pyrootless.errors import PyrootlessError, UsageError
from pyrootless.images import created_unix_ns
from pyrootless.images.store import Collected, Store, StoredImage, open_store

Keep = Callable[[StoredImage], bool]


WARNINGS = {
    False: "all dangling images",
    True: "all images without at least one container associated to them",
}


def main(args: list[str]) -> int:
    """Serve `prune`; see the file's head."""
    options = _parser().parse_args(args)
    filters = parse_filters(options.filter)
    every = options.all or _wants_all(filters)
    keep = keep_by(filters)
    warning = f"WARNING! This will remove {WARNINGS[every]}.\n"
    if not options.dry_run and not confirm(warning, options.force):
        return 1
    store = open_store(options.root)
    if options.dry_run:
        print_collected([], store.collect(dry_run=True, keep=keep))
        return 0
    untagged, collected = collect_images(store, every=every, keep=keep)
    print_collected(untagged, collected)
    return 1 if collected.problems else 0


def keep_by(filters: Mapping[str, Sequence[str]]) -> Keep | None:
    """Which images filters do not mean; None: there are no filters.

    Raises:
        UsageError: A filter is unknown, or a value has no meaning.
    """
    test = prune_test(filters, "dangling")
    if not set(filters) - {"dangling"}:
        return None
    return lambda image: not test(created_unix_ns(image.config.created), image.config.labels)


def collect_images(
    store: Store, *, every: bool, keep: Keep | None = None
) -> tuple[list[str], Collected]:
    """Remove images without a name, or every one that no container uses.

    Args:
        store: Where they are.
        every: Those with a name, too.
        keep: Says which stay all the same; None: none of them.

    Returns:
        "Untagged: NAME" lines, and what was removed.
    """
    names = store.untag_unused(damaged=_say, keep=keep) if every else []
    lines = [f"Untagged: {name.familiar}" for name in names]
    return lines, store.collect(waiting=_say_waiting, keep=keep)


def confirm(question: str, force: bool) -> bool:
    """Ask on the terminal, in docker's words; --force answers yes.

    Raises:
        UsageError: There is no terminal to ask on.
    """
    if force:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", remedy="say yes beforehand: --force")
    sys.stderr.write(f"{question}Are you sure you want to continue? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_collected(untagged: list[str], collected: Collected) -> None:
    """What went, as docker writes it, and the room it gave back."""
    print_images(untagged, collected)
    print(f"Total reclaimed space: {units.format_decimal(collected.bytes)}")


def print_images(untagged: list[str], collected: Collected) -> None:
    """What went, as docker writes it; on standard error what could not be removed."""
    lines = [
        *untagged,
        *(f"Deleted: {item}" for item in (*collected.images, *collected.layers)),
    ]
    if lines:
        print("Deleted Images:")
        print("".join(f"{line}\n" for line in lines))
    for problem in collected.problems:
        sys.stderr.write(f"pyrootless: {problem}\n")


def _wants_all(filters: Mapping[str, Sequence[str]]) -> bool:
    """dangling=false means --all (docker-image-prune(1))."""
    values = filters.get("dangling", ())
    if any(value.lower() not in ("true", "false", "1", "0") for value in values):
        raise UsageError(f"invalid filter 'dangling={values[0]}'")
    return any(value.lower() in ("false", "0") for value in values)


def _say(error: PyrootlessError) -> None:
    sys.stderr.write(f"pyrootless: {error}\n")


def _say_waiting() -> None:
    sys.stderr.write("waiting for a pull, an import or a load to end …\n")


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless image prune", description="Remove images that nothing uses."
    )
    parser.add_argument("-a", "--all", action="store_true", help="named images too, if unused")
    parser.add_argument(
        "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with until=, label=, or without: label!=; dangling=false is --all",
    )  # fmt: skip
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    parser.add_argument(
        "--dry-run", action="store_true", help="only show what would be removed"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    return parser
