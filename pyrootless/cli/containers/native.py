"""Verbs asked of Python that the launcher serves: it takes this process's place.

What comes in: a verb and the words after it.  What goes out: nothing.
Must never: give an option a meaning.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NoReturn

from pyrootless.config import find_launcher


def become(verb: str, args: Sequence[str]) -> NoReturn:
    """Become the launcher."""
    launcher = str(find_launcher())
    os.execv(launcher, [launcher, verb, *args])
    raise AssertionError("execv returned")
