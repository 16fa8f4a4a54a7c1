"""`logs` asked of Python: the launcher serves it, and takes this process's place.

What comes in: the words after the verb.  What goes out: nothing.
Must never: give an option a meaning.
"""

from __future__ import annotations

import os

from pyrootless.config import find_launcher


def main(args: list[str]) -> int:
    """Become the launcher."""
    launcher = str(find_launcher())
    os.execv(launcher, [launcher, "logs", *args])
    raise AssertionError("execv returned")
