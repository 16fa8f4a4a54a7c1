"""`pyrootless tag IMAGE NAME`: give an image one more name.

What comes in: an image and a reference.  What goes out: nothing.
Must never: contact a registry.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.images import find_image, name_image, parse_reference
from pyrootless.images.store import open_store


def main(args: list[str]) -> int:
    """Name an image; see the file's head."""
    parser = Parser(prog="pyrootless tag", description="Give an image another name.")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("image", metavar="IMAGE", help="name, ID or beginning of an ID")
    parser.add_argument("name", metavar="NAME", help="as in debian:12 or quay.io/me/tool:1")
    options = parser.parse_args(args)
    store = open_store(options.root)
    reference = parse_reference(options.name)
    name_image(store, find_image(store, options.image), reference)
    return 0
