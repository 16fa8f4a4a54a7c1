"""Boxes that are ready before anybody asks, and interpreters that are copied.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.sandbox.warm.cache import run_kept as run_kept
    from pyrootless.sandbox.warm.interpreter import Warm as Warm
    from pyrootless.sandbox.warm.interpreter import as_warm as as_warm
    from pyrootless.sandbox.warm.interpreter import warm_for as warm_for
    from pyrootless.sandbox.warm.kinds import Shelf as Shelf

_HOME = {
    "Shelf": "kinds",
    "Warm": "interpreter",
    "as_warm": "interpreter",
    "run_kept": "cache",
    "warm_for": "interpreter",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
