"""Removing a tree of files, whoever owns them.

What comes in: a directory of the caller's.  What goes out: nothing; the tree is gone.
Must never: follow a link; fail because containers wrote files under subordinate ids, which the
caller itself may not remove.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from pyrootless.config import find_launcher
from pyrootless.errors import StoreError

REMOVE_TIMEOUT_SECONDS = 3600
_REMEDY = "look at it as root of your subordinate ids: pyrootless unshare ls -ln PATH"


def remove_tree(path: Path) -> None:
    """Remove a tree; what resists goes from inside a user namespace of all the caller's ids.

    Args:
        path: A directory, or what is left of one; nothing there is fine.

    Raises:
        StoreError: Something of it cannot be removed.
        HostUnsupportedError: That, and the launcher is not found.
    """
    _make_passable(path)
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    words = [str(find_launcher()), "unshare", "--", "rm", "-rf", "--", str(path)]
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=REMOVE_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"cannot remove {path}: {error}", remedy=_REMEDY) from error
    if path.exists():
        complaint = next(iter(done.stderr.splitlines()), "something of it is still there")
        raise StoreError(f"cannot remove {path}: {complaint}", remedy=_REMEDY)


def _make_passable(path: Path) -> None:
    """overlay leaves its work/work and work/index with mode 000."""
    for place in (path / "work/work", path / "work/index"):
        with suppress(OSError):
            if place.is_dir():
                place.chmod(0o700)
