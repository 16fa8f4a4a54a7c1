"""`pyrootless cp [-a] [-L] [-q] CONTAINER:SRC DEST` and the other way round.

What comes in: a path of a container and one of the host, or "-" for a tar stream.
What goes out: files on the other side.
Must never: take a path of the host for one of a container.
"""

from __future__ import annotations

import os
import sys

from pyrootless import units
from pyrootless.cli import Parser
from pyrootless.config import find_directories
from pyrootless.engine import find_container
from pyrootless.engine.files import Copied, copy_in, copy_out, open_tree, stream_in, stream_out
from pyrootless.errors import UsageError
from pyrootless.printable import printable_name


def main(args: list[str]) -> int:
    """Copy; see the file's head."""
    parser = Parser(
        prog="pyrootless cp", description="Copy files between a container and this machine."
    )
    parser.add_argument("-a", "--archive", action="store_true", help="keep owners")
    parser.add_argument("-L", "--follow-link", action="store_true", help="SRC may be a link")
    parser.add_argument("-q", "--quiet", action="store_true", help="no line at the end")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("source", metavar="[CONTAINER:]SRC", help='path, or "-": a tar stream')
    parser.add_argument("target", metavar="[CONTAINER:]DEST", help='path, or "-": a tar stream')
    words = parser.parse_args(args)
    (source_in, source), (target_in, target) = split(words.source), split(words.target)
    if source_in and target_in:
        raise UsageError("copying between containers is not supported", remedy=_BY_PIPE)
    if not source_in and not target_in:
        raise UsageError("must specify at least one container source: CONTAINER:PATH")
    container = find_container(find_directories(words.root), source_in or target_in)
    with open_tree(container, write=bool(target_in)) as tree:
        if source_in and target == "-":
            if os.isatty(1):
                raise UsageError("an archive is not written to a terminal", remedy="… - > FILE")
            done = stream_out(tree, source, 1, follow=words.follow_link)
        elif source_in:
            done = copy_out(tree, source, target, follow=words.follow_link)
        elif source == "-":
            done = stream_in(tree, 0, target)
        else:
            done = copy_in(tree, source, target,
                           follow=words.follow_link, archive=words.archive)  # fmt: skip
    _tell(done, words.target, words.quiet or target == "-")
    return 0


_BY_PIPE = "pyrootless cp A:PATH - | pyrootless cp - B:DIR"


def split(word: str) -> tuple[str, str]:
    """("CONTAINER", "PATH"); the first is "" for a path of this machine.

    Raises:
        UsageError: CONTAINER: and no path.
    """
    if word.startswith(("/", ".")) or ":" not in word:
        return "", word
    container, _, path = word.partition(":")
    if "/" in container:
        return "", word
    if not path or not container:
        raise UsageError(f'"{word}": write CONTAINER:PATH')
    return container, path


def _tell(done: Copied, target: str, quiet: bool) -> None:
    for name in done.left_out:
        sys.stderr.write(f"pyrootless: left out, a device: {printable_name(name)}\n")
    if not quiet and sys.stdout.isatty():
        size = units.format_size(done.size_bytes)
        sys.stderr.write(f"Successfully copied {size} to {printable_name(target)}\n")
