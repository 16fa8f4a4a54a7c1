"""`pyrootless untag IMAGE [NAME…]`: take names away from an image, which stays.

What comes in: an image and names of it.  What goes out: nothing.
Must never: remove an image; take a name from another image.

Source: podman-untag(1).
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.images import find_image, parse_reference, unname_image
from pyrootless.images.store import open_store


def main(args: list[str]) -> int:
    """Take the names away; see the file's head."""
    parser = Parser(
        prog="pyrootless untag", description="Take names away from an image, which stays."
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("image", metavar="IMAGE", help="name, ID or beginning of an ID")
    parser.add_argument("names", metavar="NAME", nargs="*", help="if not given, all of them")
    options = parser.parse_args(args)
    store = open_store(options.root)
    names = [parse_reference(name) for name in options.names]
    unname_image(store, find_image(store, options.image), names)
    return 0
