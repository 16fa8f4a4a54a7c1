"""`pyrootless image squash IMAGE [NAME]`: an image of one layer with the files of another.

What comes in: an image, a name for the new one.  What goes out: the new image's ID.
Must never: change the image; name the new one before it is whole.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.engine.files import Squash, squash_image
from pyrootless.images import find_image, parse_reference
from pyrootless.images.store import open_store

USERNS = "the map of ids in which owners are read: auto (default), single or range"


def main(args: list[str]) -> int:
    """Make the image; see the file's head."""
    parser = Parser(
        prog="pyrootless image squash",
        description="Make an image of one layer with another one's files and configuration.",
    )
    parser.add_argument("-m", "--message", metavar="TEXT", default="", help="for the history")
    parser.add_argument("--userns", metavar="MAP", default="auto", help=USERNS)
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("image", metavar="IMAGE", help="name, ID or beginning of an ID")
    parser.add_argument("name", metavar="NAME", nargs="?", help="of the new image")
    words = parser.parse_args(args)
    store = open_store(words.root)
    reference = None if words.name is None else parse_reference(words.name)
    options = Squash(words.message, words.userns, words.root)
    print(squash_image(store, find_image(store, words.image), reference, options).id)
    return 0
