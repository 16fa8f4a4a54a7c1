"""`pyrootless commit [-a AUTHOR] [-m TEXT] [-c CHANGE]… CONTAINER [NAME]`: a new image.

What comes in: a container, running or stopped.  What goes out: the image's ID.
Must never: change the container.
"""

from __future__ import annotations

import argparse

from pyrootless.cli import Parser
from pyrootless.engine import find_container
from pyrootless.engine.files import CommitOptions, commit_container
from pyrootless.images import parse_reference
from pyrootless.images.store import open_store

_WORDS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


def main(args: list[str]) -> int:
    """Make the image; see the file's head."""
    parser = Parser(
        prog="pyrootless commit", description="Make an image of a container's changes."
    )
    parser.add_argument("-a", "--author", default="", metavar="TEXT", help="who made it")
    parser.add_argument(
        "-c", "--change", metavar="CHANGE", action="append", default=[],
        help="a Dockerfile instruction, as of import; may be repeated",
    )  # fmt: skip
    parser.add_argument("-m", "--message", default="", metavar="TEXT", help="for its history")
    parser.add_argument(
        "-p", "--pause", nargs="?", type=_truth, const=True, default=True, metavar="BOOL",
        help="its processes stand still meanwhile (default); --pause=false: they go on",
    )  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    parser.add_argument("name", metavar="NAME", nargs="?", help="of the image, as in mybase:1")
    words = parser.parse_args(args)
    reference = parse_reference(words.name) if words.name else None
    store = open_store(words.root)
    container = find_container(store.directories, words.container)
    wished = CommitOptions(words.author, words.message, words.change, words.pause)
    image = commit_container(store, container, reference, wished)
    print(image.id)
    return 0


def _truth(text: str) -> bool:
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise argparse.ArgumentTypeError("write true or false") from None
