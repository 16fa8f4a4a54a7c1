"""An image's name → its launch template, ready.

What comes in: a name and the store.  What goes out: the image's directory.
Must never: start a container; contact a registry (this release has none).
"""

from __future__ import annotations

import difflib
from pathlib import Path

from pyrootless.config import Directories, find_directories
from pyrootless.errors import UsageError
from pyrootless.images import host_image


def prepare_image(image: str, root: str | None = None) -> Path:
    """The image's directory, with a fresh launch template in it.

    Args:
        image: A name.
        root: Value of --root; None: the user's own store.

    Raises:
        UsageError: There is no such image; the text names those that are near.
        StoreError: The store cannot be written.
    """
    directories = find_directories(root)
    if image == host_image.NAME:
        return host_image.prepare_host_image(directories)
    raise UsageError(_unknown_image(directories, image))


def known_images(directories: Directories) -> list[str]:
    """Names in the store and built-in ones, sorted."""
    try:
        files = [path.name for path in directories.refs.iterdir()]
    except OSError:
        files = []
    names = {name.replace("%2F", "/").replace("%25", "%") for name in files if name[0] != "."}
    return sorted(names | {host_image.NAME})


def _unknown_image(directories: Directories, image: str) -> str:
    near = difflib.get_close_matches(image, known_images(directories), n=3, cutoff=0.5)
    quoted = " or ".join(f'"{name}"' for name in near)
    hint = f"did you mean {quoted}? " if near else ""
    return (
        f'there is no image "{image}". {hint}This release has the built-in image `host` (this '
        "machine's own programs), and runs any unpacked tree with --rootfs DIR; it cannot "
        "fetch images yet"
    )
