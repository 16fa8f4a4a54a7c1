"""`pyrootless load [-i FILE] [-q]`: images out of an archive.

What comes in: a docker or OCI archive, compressed or not, from a file or standard input.
What goes out: "Loaded image: NAME" for each name.
Must never: name an image before all of the archive is in the store.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

from pyrootless.cli import Parser
from pyrootless.cli.images.lost_owners import warn_of_lost_owners
from pyrootless.errors import UsageError
from pyrootless.images.archive import load_images
from pyrootless.images.store import open_store


def main(args: list[str]) -> int:
    """Load an archive; see the file's head."""
    parser = Parser(
        prog="pyrootless load", description="Load images from an archive (docker or OCI)."
    )
    parser.add_argument(
        "-i", "--input", metavar="FILE", default="-", help="default: standard input"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="only names")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    options = parser.parse_args(args)
    with open_input(options.input, "load", "-i FILE") as stream:
        store = open_store(options.root)
        names = load_images(store, stream)
    for name in names:
        kind = "Loaded image ID" if name.startswith("sha256:") else "Loaded image"
        print(name if options.quiet else f"{kind}: {name}")
    warn_of_lost_owners(store, map(store.find, names))
    return 0


def open_input(path: str, verb: str, hint: str) -> BinaryIO:
    """A file to read; "-": standard input, unless that is a terminal.

    Raises:
        UsageError: It cannot be opened.
    """
    if path == "-":
        if sys.stdin.isatty():
            raise UsageError(
                f"{verb} reads an archive, and standard input is a terminal",
                remedy=f"give the file: pyrootless {verb} {hint}",
            )
        return sys.stdin.buffer
    try:
        return open(path, "rb")  # noqa: PTH123 - the caller closes it
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
