"""`pyrootless volume create [--label L] [--opt O] [NAME]`: make a volume.

What comes in: a name, labels, options.  What goes out: the volume's name.
Must never: change one that is there: that it is there is a success (docker-volume-create(1)).
"""

from __future__ import annotations

from collections.abc import Sequence

from pyrootless.cli import Parser
from pyrootless.config import find_directories
from pyrootless.engine import create_volume
from pyrootless.errors import UsageError


def main(args: list[str]) -> int:
    """Make it; see the file's head."""
    parser = Parser(prog="pyrootless volume create", description="Make a volume.")
    parser.add_argument("-d", "--driver", default="local", help="local, the only one")
    parser.add_argument(
        "--label", metavar="KEY[=VALUE]", action="append", default=[], help="set a label"
    )
    parser.add_argument(
        "-o", "--opt", metavar="KEY=VALUE", action="append", default=[],
        help="type=none, o=bind and device=DIR: a name for a directory of the host",
    )  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("name", metavar="NAME", nargs="?", default="")
    options = parser.parse_args(args)
    if options.driver != "local":
        raise UsageError(
            f"create {options.name}: error looking up volume plugin {options.driver}: plugin "
            f'"{options.driver}" not found',
            remedy="leave --driver out: volumes are directories on this machine",
        )
    made = create_volume(
        find_directories(options.root),
        options.name,
        labels=_pairs(options.label),
        options=_pairs(options.opt),
    )
    print(made.name)
    return 0


def _pairs(words: Sequence[str]) -> dict[str, str]:
    parts = (word.partition("=") for word in words)
    return {key: value for key, _, value in parts}
