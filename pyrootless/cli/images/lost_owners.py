"""The warning of pull, load and import where the store's file system loses owners.

What comes in: what a command brought into the store.  What goes out: one line at most.
Must never: end the command.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from pyrootless.images.layers import tell_lost_owners
from pyrootless.images.store import Store
from pyrootless.images.store.images import StoredImage


def warn_of_lost_owners(store: Store, images: Iterable[StoredImage | None]) -> None:
    """Once for all that a command brought."""
    text = tell_lost_owners(store, [image for image in images if image is not None])
    if text:
        sys.stderr.write(f"pyrootless: warning: {text}\n")
