"""`pyrootless volume rm [-f] NAME…`: remove volumes and their files.

What comes in: names.  What goes out: those that were removed, a line each.
Must never: remove one that a container has, running or stopped.
"""

from __future__ import annotations

import sys

from pyrootless.cli import Parser
from pyrootless.config import find_directories
from pyrootless.engine import remove_volume
from pyrootless.errors import ContainerStateError, StoreError


def main(args: list[str]) -> int:
    """Remove each; go on after a failure and answer 1 in the end (docker-volume-rm(1))."""
    parser = Parser(prog="pyrootless volume rm", description="Remove volumes.")
    parser.add_argument(
        "-f", "--force", action="store_true", help="one that is not there is no error"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("names", metavar="NAME", nargs="+")
    options = parser.parse_args(args)
    directories = find_directories(options.root)
    failed = False
    for name in options.names:
        try:
            remove_volume(directories, name, force=options.force)
            print(name)
        except (ContainerStateError, StoreError) as error:
            sys.stderr.write(f"pyrootless: {error}\n")
            failed = True
    return 1 if failed else 0
