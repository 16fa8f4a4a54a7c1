"""The verbs about images.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.cli.images.list import image_cells as image_cells
    from pyrootless.cli.images.lost_owners import warn_of_lost_owners as warn_of_lost_owners
    from pyrootless.cli.images.prune import collect_images as collect_images
    from pyrootless.cli.images.prune import confirm as confirm
    from pyrootless.cli.images.prune import keep_by as keep_by
    from pyrootless.cli.images.prune import print_images as print_images

_HOME = {
    "collect_images": "prune",
    "confirm": "prune",
    "image_cells": "list",
    "keep_by": "prune",
    "print_images": "prune",
    "warn_of_lost_owners": "lost_owners",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
