"""`pyrootless inspect [--type container|image|volume] [-f TEMPLATE] NAME…`: everything known.

What comes in: names or IDs of containers, images and volumes, looked for in this order.
What goes out: a list of objects in docker's words, as JSON, or a line each by a Go template.
Must never: change anything.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pyrootless.cli import Parser, format_list
from pyrootless.config import find_directories
from pyrootless.engine import find_container, find_volume, inspect_container, inspect_volume
from pyrootless.errors import ContainerStateError, PyrootlessError, StoreError, UsageError
from pyrootless.images import HOST, find_image, inspect_image, near_names
from pyrootless.images.store import Store

KINDS = ("container", "image", "volume")


def main(args: list[str]) -> int:
    """Print what is found; what is not makes the answer 1 in the end (docker-inspect(1))."""
    parser = Parser(
        prog="pyrootless inspect",
        description="Show everything about containers, images and volumes, as JSON.",
    )
    parser.add_argument("--type", choices=KINDS, help="look only for these")
    parser.add_argument(
        "-f", "--format", metavar="TEMPLATE", help="a Go template for each, or json"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("names", metavar="NAME|ID", nargs="+")
    options = parser.parse_args(args)
    if options.format is not None and options.format.split(" ")[0] == "table":
        raise UsageError("inspect: --format: a table is for lists; write a Go template")
    found, failed = [], False
    for name in options.names:
        try:
            found.append(_inspect(name, options.type, options.root))
        except StoreError:
            raise  # no answer about any name
        except PyrootlessError as error:
            sys.stderr.write(f"pyrootless: {error}\n")
            failed = True
    if options.format is None:
        print(json.dumps(found, indent=4, ensure_ascii=False))
    else:
        print(format_list(options.format, found, {}, ""), end="")
    return 1 if failed else 0


def _inspect(name: str, kind: str | None, root: str | None) -> dict[str, Any]:
    directories = find_directories(root)
    if kind == "volume":
        return inspect_volume(find_volume(directories, name))
    if kind != "image":
        try:
            return inspect_container(find_container(directories, name))
        except ContainerStateError:
            if kind == "container":
                raise
    store = Store(directories)
    if kind is None and name != HOST and not _is_image(store, name):
        try:
            return inspect_volume(find_volume(directories, name))
        except ContainerStateError:
            raise UsageError(
                f'there is no container, image or volume "{name}" here'
                f"{near_names(store, name)}",
                remedy="see them: pyrootless ps -a; pyrootless images; pyrootless volume ls",
            ) from None
    return inspect_image(store, find_image(store, name))


def _is_image(store: Store, name: str) -> bool:
    """Whether it names one; what can be no image's name does not."""
    try:
        return store.find(name) is not None
    except UsageError:
        return False
