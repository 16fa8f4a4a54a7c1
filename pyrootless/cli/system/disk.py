"""`pyrootless system df|prune`: how much of the disk the store takes, and freeing it.

What comes in: the engine's directories.  What goes out: a table or JSON; what was removed.
Must never: remove without a yes or --force, touch what a name, a container or a launch needs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json

from pyrootless import units
from pyrootless.cli import Parser
from pyrootless.config import Directories
from pyrootless.errors import ContainerStateError
from pyrootless.images.store import Usage, UsageRow, open_store

HEAD = ("TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE")
TITLES = {
    "images": "Images",
    "unnamed": "Unnamed layers and blobs",
    "containers": "Containers",
    "leftovers": "Leftovers",
    "cache": "Cache",
}
_QUESTION = """This removes
  - all stopped containers
  - {images}
  - partial downloads and what was left by a crash
"""


def main(args: list[str]) -> int:
    """Serve `df` or `prune`; see the file's head."""
    options = _parser().parse_args(args)
    return int(options.serve(options))


def format_usage(usage: Usage) -> str:
    """The table of `system df`, columns as wide as their widest cell."""
    rows = [HEAD, *(_row(title, getattr(usage, kind)) for kind, title in TITLES.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
             for row in rows)  # fmt: skip
    return "".join(f"{line.rstrip()}\n" for line in lines)


def prune_containers(directories: Directories) -> tuple[list[str], int]:
    """Remove containers that do not run; their ids, and the bytes they took."""
    from pyrootless.core._layers import tree_bytes
    from pyrootless.engine import list_found, remove_container

    removed, size_bytes = [], 0
    for container in list_found(directories):
        if container.running:
            continue
        own = tree_bytes(container.directory)
        try:
            remove_container(directories, container, force=False)
        except ContainerStateError:
            continue  # started again meanwhile
        removed.append(container.id)
        size_bytes += own
    return removed, size_bytes


def _row(title: str, row: UsageRow) -> tuple[str, ...]:
    part = f" ({row.reclaimable_bytes * 100 // row.size_bytes}%)" if row.size_bytes else ""
    return (
        title,
        str(row.total),
        str(row.active),
        units.format_size(row.size_bytes),
        units.format_size(row.reclaimable_bytes) + part,
    )


def _df(options: argparse.Namespace) -> int:
    usage = open_store(options.root).usage()
    if options.json:
        print(json.dumps(dataclasses.asdict(usage), indent=2))
    else:
        print(format_usage(usage), end="")
    return 0


def _prune(options: argparse.Namespace) -> int:
    from pyrootless.cli.images import collect_images, confirm, print_collected

    images = "all images that no container uses" if options.all else "all images without a name"
    if not confirm(_QUESTION.format(images=images), options.force):
        return 1
    store = open_store(options.root)
    containers, container_bytes = prune_containers(store.directories)
    print_containers(containers)
    untagged, collected = collect_images(store, every=options.all)
    print_collected(untagged, collected, container_bytes)
    return 1 if collected.problems else 0


def print_containers(containers: list[str]) -> None:
    """What went, as docker writes it."""
    if containers:
        print("Deleted Containers:")
        print("".join(f"{name}\n" for name in containers))


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless system",
        description="Show what the store takes of the disk, or free it.",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    usage = verbs.add_parser("df", help="what the store takes of the disk, kind by kind")
    usage.add_argument("--json", action="store_true", help="one object, sizes in bytes")
    usage.add_argument("--root", metavar="DIR", help="the engine's directory")
    usage.set_defaults(serve=_df)
    prune = verbs.add_parser("prune", help="remove what is not in use")
    prune.add_argument("-a", "--all", action="store_true", help="named images too, if unused")
    prune.add_argument("-f", "--force", action="store_true", help="do not ask")
    prune.add_argument("--root", metavar="DIR", help="the engine's directory")
    prune.set_defaults(serve=_prune)
    return parser
