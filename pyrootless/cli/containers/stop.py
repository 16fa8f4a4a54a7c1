"""`pyrootless stop [-t SECONDS] NAME|ID…`: ask containers to end, and kill those that do not.

What comes in: names, ids or begins of ids.  What goes out: what was stopped, a line each.
Must never: wait for a signal that the kernel dropped.
"""

from __future__ import annotations

from pyrootless.cli import Parser
from pyrootless.cli.containers.signalling import for_each
from pyrootless.engine.control import stop_container


def main(args: list[str]) -> int:
    """Stop each; go on after a failure and answer 1 in the end (podman-stop(1))."""
    parser = Parser(prog="pyrootless stop", description="Stop containers.")
    parser.add_argument(
        "-t", "--time", type=int, metavar="SECONDS", help="time before it is killed; -1: never"
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("containers", nargs="+", metavar="CONTAINER", help="name or id")
    words = parser.parse_args(args)
    return for_each(
        words.root,
        words.containers,
        lambda places, one: stop_container(places, one, words.time),
    )
