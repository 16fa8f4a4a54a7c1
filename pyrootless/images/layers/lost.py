"""Owners that a store cannot show under a map of one id: its file system has no attributes.

What comes in: the store, images that are in it.
What goes out: one sentence, or nothing.
Must never: leave a file; be an error: under a map of many ids the lists of owners count.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable

from pyrootless.images.layers.lists import OWNERS
from pyrootless.images.store import Store
from pyrootless.images.store.images import StoredImage

_PROBE = "user.pyrootless.probe"
_LACKING = (errno.EOPNOTSUPP, errno.EPERM, errno.ENOSYS)
"""What the unpacker passes over (csrc/unpack/xattr.c)."""


def tell_lost_owners(store: Store, images: Iterable[StoredImage]) -> str:
    """What becomes of the owners of these images' files; "": nothing bad."""
    layers = {layer for image in images for layer in image.config.diff_ids}
    if not any((store.layers.path(layer) / OWNERS).exists() for layer in layers):
        return ""
    if _takes_attributes(store):
        return ""
    return (
        f"{store.directories.data} takes no user.* attributes: with one id "
        "(--userns=single) all files of the image are shown as root's: pyrootless doctor store"
    )


def _takes_attributes(store: Store) -> bool:
    """Tried on a file without a name.  What cannot be tried is no reason to warn."""
    try:
        with tempfile.TemporaryFile(dir=store.directories.layers) as file:
            os.setxattr(file.fileno(), _PROBE, b"1")
    except OSError as error:
        return error.errno not in _LACKING
    return True
