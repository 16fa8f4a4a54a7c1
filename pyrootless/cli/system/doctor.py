"""`pyrootless doctor [--json] [NAME…]`: what this user and kernel permit.

What comes in: names of entries.  What goes out: a table or JSON; 0: everything needed now is
there, 1: something is missing.
Must never: change the machine.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap

from pyrootless.cli import Parser
from pyrootless.config import find_directories, find_launcher
from pyrootless.errors import HostUnsupportedError
from pyrootless.host import doctor

WIDTH = 96
_INDENT = " " * 4


def main(args: list[str]) -> int:
    """Print the entries; see the file's head."""
    options = _parser().parse_args(args)
    try:
        launcher = find_launcher()
    except HostUnsupportedError:
        launcher = None
    machine = doctor.this_host(find_directories(options.root), launcher)
    entries = doctor.examine(machine, options.names)
    if options.json:
        print(json.dumps([dataclasses.asdict(entry) for entry in entries], indent=2))
    else:
        sys.stdout.write(format_table(entries))
    return 0 if doctor.is_fit(entries) else 1


def format_table(entries: list[doctor.Entry]) -> str:
    """One line an entry, and below it the fix where there is one."""
    wide = max((len(entry.name) for entry in entries), default=0)
    lines: list[str] = []
    for entry in entries:
        state = entry.state if entry.needed == "now" else f"{entry.state} (later)"
        head = f"{entry.name:<{wide}}  {state:<16}  "
        lines += textwrap.wrap(
            head + entry.consequence, WIDTH, subsequent_indent=" " * len(head)
        )
        lines += [f"{_INDENT}{line}" for line in entry.fix.splitlines()]
    return "".join(f"{line}\n" for line in lines)


def _parser() -> Parser:
    parser = Parser(
        prog="pyrootless doctor",
        description="Examine what this user and kernel permit; exit 1 when a container "
        "cannot start.",
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these entries")
    return parser
