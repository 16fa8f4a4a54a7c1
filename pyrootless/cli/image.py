"""`pyrootless image VERB …`: the verbs of images, as docker groups them.

What comes in: a verb and its words.  What goes out: what the verb alone would do.
Must never: give a verb a second meaning.
"""

from __future__ import annotations

import argparse
import importlib

from pyrootless.cli.arguments import Parser
from pyrootless.cli.main import ELSEWHERE, serve
from pyrootless.errors import UsageError

VERBS = {
    "copy": "copy",
    "history": "history",
    "import": "import",
    "inspect": "inspect",
    "load": "load",
    "ls": "images",
    "pull": "pull",
    "push": "push",
    "rm": "rmi",
    "save": "save",
    "tag": "tag",
    "untag": "untag",
}
"""Verb below `image` → the verb that it is."""
ALIASES = {"list": "images", "remove": "rmi"}
OWN = ("diff", "prune", "squash")
"""Verbs that have no place but below `image`."""


def main(args: list[str]) -> int:
    """Serve one verb; see the file's head."""
    parser = Parser(
        prog="pyrootless image",
        description="The verbs of images; each is the same without `image` before it.",
    )
    parser.add_argument("verb", metavar="VERB", choices=sorted([*VERBS, *OWN]))
    parser.add_argument("words", metavar="…", nargs=argparse.REMAINDER, help="the verb's own")
    word = args[0] if args else ""
    if word in ELSEWHERE:
        raise UsageError(f"there is no `image {word}` here; {ELSEWHERE[word]}")
    if verb := {**VERBS, **ALIASES}.get(word):
        kind = ["--type", "image"] if verb == "inspect" else []
        return serve([verb, *kind, *args[1:]])
    options = parser.parse_args(args)
    module = importlib.import_module(f"pyrootless.cli.images.{options.verb}")
    return int(module.main(options.words))
