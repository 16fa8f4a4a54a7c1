"""The verbs that speak with registries.

What comes in: names.  What goes out: what other folders use of this one, each loaded when it is
first used.  Must never: decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrootless.lazy import exports

if TYPE_CHECKING:
    from pyrootless.cli.registries.progress import OwnersLine as OwnersLine
    from pyrootless.cli.registries.progress import show_progress as show_progress

_HOME = {
    "OwnersLine": "progress",
    "show_progress": "progress",
}
"""Public name → module of this package that has it."""

__all__ = sorted(_HOME)
__getattr__, __dir__ = exports(__name__, _HOME)
