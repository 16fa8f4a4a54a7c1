"""`pyrootless top CONTAINER [OPTIONS of ps]`: the processes of a running container.

What comes in: a container, options of ps(1).  What goes out: the lines of ps,
in docker's columns.
Must never: let a process's name say anything to a terminal.
"""

from __future__ import annotations

import argparse

from pyrootless.cli import Parser
from pyrootless.config import find_directories
from pyrootless.engine import find_container
from pyrootless.engine.control import DEFAULT_OPTIONS, list_processes
from pyrootless.printable import printable

MIN_WIDTH = 20
GAP = 3
"""Docker's table: a cell is at least so wide, with so many blanks after it."""


def main(args: list[str]) -> int:
    """Print the processes; see the file's head."""
    parser = Parser(
        prog="pyrootless top", description="Show the processes of a running container."
    )
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    parser.add_argument(
        "options", metavar="PS OPTIONS", nargs=argparse.REMAINDER, help="of ps; default: -ef"
    )
    words = parser.parse_args(args)
    container = find_container(find_directories(words.root), words.container)
    found = list_processes(container, words.options or DEFAULT_OPTIONS)
    print(format_wide([found.titles, *found.rows]), end="")
    return 0


def format_wide(rows: list[tuple[str, ...]]) -> str:
    """Rows as docker's `top` prints them: the last cell as it is."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max(MIN_WIDTH, *(len(cell) + GAP for cell in column))
        for column in zip(*shown, strict=False)
    ]
    lines = []
    for row in shown:
        padded = [f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("".join([*padded, row[-1]]))
    return "".join(f"{line}\n" for line in lines)
