"""`run` where the launcher needs Python: prepare what is missing, then hand the launch back.

What comes in: the launcher's untouched argv after the verb.
What goes out: nothing: the launcher takes this process's place, with the words that
engine/prepare.py made of its own.
Must never: give an option a meaning, start a container, come here twice for one launch.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NoReturn

from pyrootless.config import find_launcher
from pyrootless.engine import REINSTALL, parse
from pyrootless.engine.prepare import keep_defaults, prepare
from pyrootless.errors import HostUnsupportedError
from pyrootless.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyrootless.images import Progress

PREPARED = "PYROOTLESS_PREPARED"


def main(args: list[str]) -> int:
    """Prepare, then become the launcher again; see the file's head."""
    hand_back("run", args)


def hand_back(verb: str, args: list[str]) -> NoReturn:
    """Prepare what the words after a verb need, and give the launch back to the launcher."""
    launcher = str(find_launcher())
    environ = dict(os.environ)
    if environ.get(PREPARED):
        raise HostUnsupportedError(
            "the launcher asked for the same preparation twice; launcher and package differ",
            remedy=REINSTALL,
        )
    asked = parse(args, keep_defaults(parse(args).last("root")))
    argv = prepare(asked, Announcer(quiet=asked.last("quiet") == "true"))
    os.execve(launcher, [launcher, verb, *argv], environ | {PREPARED: "1"})
    raise AssertionError("execve returned")


class Announcer:
    """Says what is fetched and shows how it goes; all on standard error."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._owners: Callable[[int, int], None] | None = None

    def __call__(self, name: str) -> AbstractContextManager[Progress]:
        """Source: images.prepare.Announce."""
        from pyrootless.cli.registries import show_progress

        if not self._quiet:
            sys.stderr.write(f"pulling {name}\n")
        return show_progress(quiet=self._quiet)

    def hooks_left_out(self, programs: Sequence[str]) -> None:
        """Source: images.prepare.Announce."""
        text = ", ".join(printable(program) for program in programs)
        sys.stderr.write(f"pyrootless: hooks of the devices are not run: {text}\n")

    def owners_set(self, count: int, total: int) -> None:
        """Source: images.prepare.Announce.  On a terminal alone: a program's output follows."""
        if self._quiet:
            return
        if self._owners is None:
            from pyrootless.cli.registries import OwnersLine

            self._owners = OwnersLine(sys.stderr)
        self._owners(count, total)
