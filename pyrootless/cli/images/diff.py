"""`pyrootless image diff IMAGE [IMAGE]`: what the first has otherwise than the second.

What comes in: one image or two.  What goes out: "A /path", "C …", "D …".
Must never: let a file's name say anything to a terminal.

Source: podman-diff(1).
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.cli.images.squash import USERNS
from pyrootless.engine.files import compare_images
from pyrootless.images import find_image
from pyrootless.images.store import open_store
from pyrootless.printable import printable


def main(args: list[str]) -> int:
    """Print the changes; see the file's head."""
    parser = Parser(
        prog="pyrootless image diff",
        description="Show what an image has otherwise than another one.",
    )
    parser.add_argument("--userns", metavar="MAP", default="auto", help=USERNS)
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("image", metavar="IMAGE", help="name, ID or beginning of an ID")
    parser.add_argument(
        "other", metavar="IMAGE", nargs="?", help="default: the same without its last layer"
    )
    words = parser.parse_args(args)
    store = open_store(words.root)
    other = None if words.other is None else find_image(store, words.other)
    image = find_image(store, words.image)
    found = compare_images(store, image, other, userns=words.userns, root=words.root)
    print("".join(f"{item.kind} {printable(item.path)}\n" for item in found), end="")
    return 0
