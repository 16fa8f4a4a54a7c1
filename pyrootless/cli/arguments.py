"""The parser of a verb that Python serves.

What comes in: a verb's options.  What goes out: their values, or a usage error in the words and
with the exit code of all other failures (csrc/cli/errors.c).
Must never: end the process, but after --help.
"""

from __future__ import annotations

import argparse
from typing import NoReturn

from pyrootless.errors import UsageError


class Parser(argparse.ArgumentParser):
    """`argparse.ArgumentParser`, whose errors are pyrootless's."""

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong with the words.

        Raises:
            UsageError: Always; its remedy is the verb's help.
        """
        verb = self.prog.removeprefix("pyrootless ")
        remedy = f"every option with the form of its value: pyrootless {verb} --help"
        raise UsageError(f"{verb}: {message}", remedy=remedy)
