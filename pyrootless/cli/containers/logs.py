"""`pyrootless logs [-f] [-n LINES] CONTAINER`: what a container in the background has written.

What comes in: a container that `run -d` started.  What goes out: its log, as it was written.
Must never: take an option for granted that the log cannot serve.
"""

from __future__ import annotations

import os

from pyrootless.cli import Parser
from pyrootless.config import find_directories
from pyrootless.engine import find_container
from pyrootless.engine.control import read_log
from pyrootless.errors import UsageError

_LACKING = {
    "since": "lines have no time stamps",
    "until": "lines have no time stamps",
    "timestamps": "lines have no time stamps",
    "details": "a log has no attributes",
}
"""Options of docker → why there is no such thing here."""


def main(args: list[str]) -> int:
    """Print the log; see the file's head."""
    parser = Parser(
        prog="pyrootless logs",
        description="Show what a container in the background has written.",
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="follow until the container ends"
    )
    parser.add_argument(
        "-n",
        "--tail",
        metavar="LINES",
        default="all",
        help="this many lines from the end, or all",
    )
    parser.add_argument("--since", metavar="TIME", help="refused: there are no time stamps")
    parser.add_argument("--until", metavar="TIME", help="refused: there are no time stamps")
    parser.add_argument("-t", "--timestamps", action="store_true", help="refused: none kept")
    parser.add_argument("--details", action="store_true", help="refused: there are none")
    parser.add_argument("--root", metavar="DIR", help="the engine's directory")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    words = parser.parse_args(args)
    for name, reason in _LACKING.items():
        if getattr(words, name):
            raise UsageError(f"logs: --{name}: {reason}", remedy="leave it out")
    directories = find_directories(words.root)
    container = find_container(directories, words.container)
    read_log(directories, container, _write, tail=_lines(words.tail), follow=words.follow)
    return 0


def _lines(text: str) -> int | None:
    """A number of lines; None: all, as for docker any number below 0."""
    if text in ("all", ""):
        return None
    try:
        number = int(text)
    except ValueError:
        raise UsageError(f'logs: --tail {text}: write a number of lines, or "all"') from None
    return None if number < 0 else number


def _write(chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(1, left) :]
