"""Images on the way between the store and registries, and from one to another.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: speak HTTP itself (pyrootless.images.registry does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.images.transfer.copy import copy_image as copy_image
    from pyrootless.images.transfer.pull import Progress as Progress
    from pyrootless.images.transfer.pull import Silence as Silence
    from pyrootless.images.transfer.pull import pull_image as pull_image
    from pyrootless.images.transfer.push import Pushed as Pushed
    from pyrootless.images.transfer.push import push_image as push_image
    from pyrootless.images.transfer.push import push_references as push_references

_HOME = {
    "Progress": "pull",
    "Pushed": "push",
    "Silence": "pull",
    "copy_image": "copy",
    "pull_image": "pull",
    "push_image": "push",
    "push_references": "push",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
