"""`pyrootless volume VERB …`: the verbs of volumes, as docker groups them.

What comes in: a verb and its words.  What goes out: what the verb does.
Must never: import a verb that was not asked for.
"""

from __future__ import annotations

import argparse
import importlib

from pyrootless.cli.arguments import Parser

VERBS = {
    "create": "make a volume",
    "inspect": "show everything about volumes, as JSON",
    "ls": "list volumes",
    "prune": "remove volumes that no container has",
    "rm": "remove volumes",
}
"""Verb → one line. Each is a module of this folder with main(args) -> exit code."""
ALIASES = {"list": "ls", "remove": "rm"}


def main(args: list[str]) -> int:
    """Serve one verb; see the file's head."""
    parser = Parser(
        prog="pyrootless volume",
        description="Volumes: directories that outlive containers.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {verb:<9}{line}" for verb, line in VERBS.items()),
    )
    parser.add_argument("verb", metavar="VERB", choices=[*VERBS, *ALIASES])
    parser.add_argument("words", metavar="…", nargs=argparse.REMAINDER, help="the verb's own")
    options = parser.parse_args(args)
    verb = ALIASES.get(options.verb, options.verb)
    module = importlib.import_module(f"pyrootless.cli.volumes.{verb}")
    return int(module.main(options.words))
