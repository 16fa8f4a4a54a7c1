"""`create` where the launcher needs Python: as `run`, up to the start.

What comes in: the launcher's untouched argv after the verb.
What goes out: nothing: the launcher takes this process's place.
Must never: give an option a meaning.
"""

from __future__ import annotations

from pyrootless.cli.containers.run import hand_back


def main(args: list[str]) -> int:
    """Prepare, then become the launcher again; see the file's head."""
    hand_back("create", args)
