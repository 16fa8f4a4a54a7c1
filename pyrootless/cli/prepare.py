"""`pyrootless prepare [IMAGE]`: make an image's launch template ready.

What comes in: an image's name.  What goes out: the path of its directory on standard output.
Must never: start a container, contact a registry.
"""

from __future__ import annotations

import argparse

from pyrootless.images.prepare import prepare_image


def main(args: list[str]) -> int:
    """Prepare one image; see the file's head."""
    parser = argparse.ArgumentParser(
        prog="pyrootless prepare", description="Make an image's launch template ready."
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument(
        "image", metavar="IMAGE", nargs="?", default="host", help="default: host"
    )
    options = parser.parse_args(args)
    print(prepare_image(options.image, options.root))
    return 0
