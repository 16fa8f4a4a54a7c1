"""`pyrootless rmi [-f] IMAGE…`: take names away, and images with their last name.

What comes in: names, IDs or begins of IDs.  What goes out: "Untagged:" and "Deleted:" lines.
Must never: remove an image that a container stands on, without -f.
"""

from __future__ import annotations

import sys

from pyrootless.cli import Parser
from pyrootless.errors import PyrootlessError
from pyrootless.images.store import open_store


def main(args: list[str]) -> int:
    """Remove each; go on after a failure and answer 1 in the end (docker-rmi(1))."""
    parser = Parser(prog="pyrootless rmi", description="Remove images.")
    parser.add_argument(
        "-f", "--force", action="store_true", help="every name of an ID; used ones too"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("images", metavar="IMAGE", nargs="+")
    options = parser.parse_args(args)
    store = open_store(options.root)
    failed = False
    for wanted in options.images:
        try:
            for line in store.remove(wanted, force=options.force):
                print(line)
        except PyrootlessError as error:
            sys.stderr.write(f"pyrootless: {error}\n")
            failed = True
    return 1 if failed else 0
