"""`pyrootless help [VERB]`: the verbs, or one verb's own help.

What comes in: a verb or nothing.  What goes out: text on standard output.
Must never: describe an option (the option table and the verbs' parsers do).
"""

from __future__ import annotations

from pyrootless.cli.containers import become
from pyrootless.cli.main import NATIVE, VERBS
from pyrootless.cli.main import main as main_of_all

_HEAD = """usage: pyrootless [--root DIR] VERB [OPTION…] [ARGUMENT…]

Containers for users who are not root.

verbs:
"""
_TAIL = """
first steps:
  pyrootless doctor                  what this machine permits
  pyrootless run --rm host uname -a  a program in a container of this machine's programs
"""


def main(args: list[str]) -> int:
    """Print help; `help run` is the launcher's own."""
    if args and args[0] in (*NATIVE, "run", "create"):
        become(args[0], ["--help"])
    if args and args[0] != "help":
        return main_of_all([args[0], "--help"])
    wide = max(len(verb) for verb in VERBS)
    lines = "".join(f"  {verb:<{wide}}  {text}\n" for verb, text in VERBS.items())
    print(_HEAD + lines + _TAIL, end="")
    return 0
