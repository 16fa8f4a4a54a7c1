"""`pyrootless volume inspect [-f TEMPLATE] NAME…`: everything known of volumes.

What comes in: names.  What goes out: what `inspect --type volume` prints.
Must never: give the verb a second meaning.
"""

from __future__ import annotations

from pyrootless.cli.main import serve


def main(args: list[str]) -> int:
    """Serve it; see the file's head."""
    return serve(["inspect", "--type", "volume", *args])
