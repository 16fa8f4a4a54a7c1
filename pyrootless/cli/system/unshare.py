"""`unshare` reached through Python (`python -m pyrootless unshare`): the launcher's own verb.

What comes in: argv after the verb.  What goes out: nothing: the launcher takes this process's
place.
Must never: read the words (csrc/cli/unshare.c does).
"""

from __future__ import annotations

import os

from pyrootless.config import find_launcher


def main(args: list[str]) -> int:
    """Become the launcher."""
    launcher = str(find_launcher())
    os.execv(launcher, [launcher, "unshare", *args])
