"""`pyrootless system df|info|prune`: the store's disk, this machine, and freeing the disk.

What comes in: the engine's directories.  What goes out: tables or JSON; what was removed.
Must never: remove without a yes or --force, touch what a name, a container or a launch needs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyrootless import units
from pyrootless.cli import Parser
from pyrootless.engine import parse_filters, prune_containers, prune_test, prune_volumes
from pyrootless.errors import UsageError
from pyrootless.images.store import open_store

_WARNING = """WARNING! This will remove:
  - all stopped containers
  - {images}
{volumes}  - partial downloads and what was left by a crash

"""
_VOLUMES = "  - all anonymous volumes not used by at least one container\n"


def main(args: list[str]) -> int:
    """Serve one verb; see the file's head."""
    options = _parser().parse_args(args)
    return int(options.serve(options))


def print_containers(containers: Sequence[str]) -> None:
    """What went, as docker writes it."""
    if containers:
        print("Deleted Containers:")
        print("".join(f"{name}\n" for name in containers))


def _df(options: argparse.Namespace) -> int:
    from pyrootless.cli.system.usage import show_usage

    return show_usage(options)


def _info(options: argparse.Namespace) -> int:
    from pyrootless.cli.main import serve

    return serve(["info", *options.words])


def _prune(options: argparse.Namespace) -> int:
    from pyrootless.cli.images import collect_images, confirm, keep_by, print_images
    from pyrootless.cli.volumes import print_pruned

    filters = parse_filters(options.filter)
    prune_test(filters)
    if options.volumes and "until" in filters:
        raise UsageError('the "until" filter is not supported with "--volumes"')
    every = {
        False: "all dangling images",
        True: "all images without at least one container associated to them",
    }
    warning = _WARNING.format(
        images=every[options.all], volumes=_VOLUMES if options.volumes else ""
    )
    if not confirm(warning, options.force):
        return 1
    store = open_store(options.root)
    containers = prune_containers(store.directories, filters)
    print_containers(containers.ids)
    size_bytes = containers.bytes
    if options.volumes:
        pruned = prune_volumes(store.directories, filters, every=False)
        print_pruned(pruned)
        size_bytes += pruned.bytes
    untagged, collected = collect_images(store, every=options.all, keep=keep_by(filters))
    print_images(untagged, collected)
    print(f"Total reclaimed space: {units.format_decimal(size_bytes + collected.bytes)}")
    return 1 if collected.problems else 0


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless system",
        description="Show what the store takes of the disk, or free it.",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    usage = verbs.add_parser("df", help="what the store takes of the disk, kind by kind")
    usage.add_argument(
        "--format", metavar="FORMAT", help="table, table TEMPLATE, json, or a Go template"
    )
    usage.add_argument("--json", action="store_true", help="one object, sizes in bytes")
    usage.add_argument(
        "-v", "--verbose", action="store_true", help="each image, container and volume"
    )
    usage.add_argument("--root", metavar="DIR", help="the engine's directory")
    usage.set_defaults(serve=_df)
    info = verbs.add_parser("info", help="this machine, the store, and limits", add_help=False)
    info.add_argument("words", nargs=argparse.REMAINDER)
    info.set_defaults(serve=_info)
    prune = verbs.add_parser("prune", help="remove what is not in use")
    prune.add_argument("-a", "--all", action="store_true", help="named images too, if unused")
    prune.add_argument(
        "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with until=, label=, or without: label!=",
    )  # fmt: skip
    prune.add_argument("-f", "--force", action="store_true", help="do not ask")
    prune.add_argument("--volumes", action="store_true", help="anonymous volumes, too")
    prune.add_argument("--root", metavar="DIR", help="the engine's directory")
    prune.set_defaults(serve=_prune)
    return parser
