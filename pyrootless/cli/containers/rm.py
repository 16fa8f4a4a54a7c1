"""`pyrootless rm [-f] [-v] NAME|ID…`: remove containers and what they wrote.

What comes in: names, ids or begins of ids.  What goes out: what was removed, a line each.
Must never: end a container without -f.
"""

from __future__ import annotations

import sys

from pyrootless.cli import Parser
from pyrootless.config import Directories, find_directories
from pyrootless.engine import list_found, remove_named
from pyrootless.errors import ContainerStateError


def main(args: list[str]) -> int:
    """Remove each; go on after a failure and answer 1 in the end (podman-rm(1)).

    With -f one that is not there is told, and no failure: as docker has it.
    """
    parser = Parser(prog="pyrootless rm", description="Remove containers.")
    parser.add_argument(
        "-f", "--force", action="store_true", help="kill running containers first"
    )
    parser.add_argument(
        "-v", "--volumes", action="store_true", help="the volumes that nobody named, too"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("containers", metavar="NAME|ID", nargs="+")
    options = parser.parse_args(args)
    directories = find_directories(options.root)
    failed = False
    for wanted in options.containers:
        try:
            remove_named(directories, wanted, force=options.force, volumes=options.volumes)
            print(wanted)
        except ContainerStateError as error:
            sys.stderr.write(f"pyrootless: {error}\n")
            failed |= not options.force or _is_there(directories, wanted)
    return 1 if failed else 0


def _is_there(directories: Directories, wanted: str) -> bool:
    name = wanted.removeprefix("/")
    return any(one.name == name or one.id.startswith(name) for one in list_found(directories))
