"""`pyrootless prepare [IMAGE]`: make an image's launch template ready.

What comes in: an image's name.  What goes out: the path of its directory on standard output.
Must never: start a container.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.cli.containers import Announcer
from pyrootless.images import PULL_POLICIES, prepare_image


def main(args: list[str]) -> int:
    """Prepare one image; see the file's head."""
    parser = Parser(
        prog="pyrootless prepare", description="Make an image's launch template ready."
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument(
        "--pull", choices=PULL_POLICIES, default="missing", help="default: missing"
    )
    parser.add_argument(
        "image", metavar="IMAGE", nargs="?", default="host", help="default: host"
    )
    options = parser.parse_args(args)
    announce = Announcer()
    print(prepare_image(options.image, options.root, pull=options.pull, announce=announce))
    return 0
