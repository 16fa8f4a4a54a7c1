"""`pyrootless kill [-s SIGNAL] NAME|ID…`: send a signal to the first process of containers.

What comes in: names, ids or begins of ids.  What goes out: which got it, a line each.
Must never: wait.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.cli.containers.signalling import for_each
from pyrootless.engine.control import kill_container, signal_number


def main(args: list[str]) -> int:
    """Signal each; go on after a failure and answer 1 in the end (podman-kill(1))."""
    parser = Parser(prog="pyrootless kill", description="Signal containers.")
    parser.add_argument(
        "-s", "--signal", default="KILL", metavar="SIGNAL", help="name or number"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER", help="name or id")
    words = parser.parse_args(args)
    number = signal_number(words.signal)
    return for_each(
        words.root, words.containers, lambda places, one: kill_container(places, one, number)
    )
