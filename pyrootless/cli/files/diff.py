"""`pyrootless diff CONTAINER`: what a container changed in its root.

What comes in: a container, running or stopped.  What goes out: "A /path", "C …", "D …".
Must never: let a file's name say anything to a terminal.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.config import find_directories
from pyrootless.engine import find_container
from pyrootless.engine.files import list_changes
from pyrootless.printable import printable


def main(args: list[str]) -> int:
    """Print the changes; see the file's head."""
    parser = Parser(
        prog="pyrootless diff", description="Show what a container changed in its root."
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    words = parser.parse_args(args)
    found = list_changes(find_container(find_directories(words.root), words.container))
    print("".join(f"{item.kind} {printable(item.path)}\n" for item in found), end="")
    return 0
