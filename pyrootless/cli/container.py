"""`pyrootless container VERB …`: the verbs of containers, as docker groups them.

What comes in: a verb and its words.  What goes out: what the verb alone would do.
Must never: give a verb a second meaning.
"""

from __future__ import annotations

import argparse

from pyrootless import units
from pyrootless.cli.arguments import Parser
from pyrootless.cli.main import ELSEWHERE, serve
from pyrootless.errors import UsageError

_SAME = (
    "attach",
    "commit",
    "cp",
    "create",
    "diff",
    "exec",
    "export",
    "inspect",
    "kill",
    "logs",
    "pause",
    "port",
    "rename",
    "restart",
    "rm",
    "run",
    "start",
    "stats",
    "stop",
    "top",
    "unpause",
    "update",
    "wait",
)
VERBS = {"ls": "ps", **{verb: verb for verb in _SAME}}
"""Verb below `container` → the verb that it is."""
ALIASES = {"list": "ps", "ps": "ps"}
OWN = ("prune",)
_QUESTION = "WARNING! This will remove all stopped containers.\n"


def main(args: list[str]) -> int:
    """Serve one verb; see the file's head."""
    parser = Parser(
        prog="pyrootless container",
        description="The verbs of containers; each is the same without `container` before it.",
    )
    parser.add_argument("verb", metavar="VERB", choices=sorted([*VERBS, *OWN]))
    parser.add_argument("words", metavar="…", nargs=argparse.REMAINDER, help="the verb's own")
    if args and args[0] in ELSEWHERE:
        raise UsageError(f"there is no `container {args[0]}` here; {ELSEWHERE[args[0]]}")
    if args and args[0] in ALIASES:
        return serve([ALIASES[args[0]], *args[1:]])
    if not args or args[0].startswith("-") or args[0] not in VERBS:
        words = parser.parse_args(args)
        return _prune(words.words)
    kind = ["--type", "container"] if args[0] == "inspect" else []
    return serve([VERBS[args[0]], *kind, *args[1:]])


def _prune(args: list[str]) -> int:
    from pyrootless.cli.images import confirm
    from pyrootless.cli.system import print_containers
    from pyrootless.config import find_directories
    from pyrootless.engine import parse_filters, prune_containers

    parser = Parser(prog="pyrootless container prune", description="Remove stopped containers.")
    parser.add_argument(
        "--filter", metavar="KEY=VALUE", action="append", default=[],
        help="only those with until=, label=, or without: label!=",
    )  # fmt: skip
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    words = parser.parse_args(args)
    if not confirm(_QUESTION, words.force):
        return 1
    directories = find_directories(words.root)
    pruned = prune_containers(directories, parse_filters(words.filter))
    print_containers(pruned.ids)
    print(f"Total reclaimed space: {units.format_decimal(pruned.bytes)}")
    return 0
